// Proof obligation: the four sums of msq_dsp4_chain never touch each other. For all 2^40 sums that fit 10 bits signed
// (four products are within +-480), each field of their packed sum plus the bias is its own sum + 512. That a single
// product of packed operands is four products at their places, msq_dsp4_chain_test tries out exhaustively.
module msq_dsp4_fields_proof (
  input logic signed [9:0] sum0_i,
  input logic signed [9:0] sum1_i,
  input logic signed [9:0] sum2_i,
  input logic signed [9:0] sum3_i
);
  logic signed [47:0] wide0, wide1, wide2, wide3, packed_sum;

  assign wide0 = {{38{sum0_i[9]}}, sum0_i};
  assign wide1 = {{28{sum1_i[9]}}, sum1_i, 10'b0};
  assign wide2 = {{18{sum2_i[9]}}, sum2_i, 20'b0};
  assign wide3 = {{8{sum3_i[9]}}, sum3_i, 30'b0};
  assign packed_sum = wide0 + wide1 + wide2 + wide3 + 48'sh80_2008_0200;

  always_comb begin
    assert (packed_sum[9:0] == {~sum0_i[9], sum0_i[8:0]});
    assert (packed_sum[19:10] == {~sum1_i[9], sum1_i[8:0]});
    assert (packed_sum[29:20] == {~sum2_i[9], sum2_i[8:0]});
    assert (packed_sum[39:30] == {~sum3_i[9], sum3_i[8:0]});
  end
endmodule
