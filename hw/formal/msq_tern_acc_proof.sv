// Proof obligation, by induction: both builds of msq_tern_acc hold the sum of all since the last first_i, modulo 2^24.
module msq_tern_acc_proof (
  input logic        clk_i,
  input logic        en_i,
  input logic        first_i,
  input logic [23:0] x_i,
  input logic [23:0] y_i
);
  logic [23:0] behavioural, primitives, sum_q;
  logic        begun_q = 1'b0;  // accumulators hold anything before

  msq_tern_acc #(.W(24), .XC7_PRIMS(0)) u_behavioural (
    .clk_i(clk_i), .en_i(en_i), .first_i(first_i), .x_i(x_i), .y_i(y_i), .acc_o(behavioural));
  msq_tern_acc #(.W(24), .XC7_PRIMS(1)) u_primitives (
    .clk_i(clk_i), .en_i(en_i), .first_i(first_i), .x_i(x_i), .y_i(y_i), .acc_o(primitives));

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      sum_q <= first_i ? x_i + y_i : sum_q + x_i + y_i;
      begun_q <= begun_q || first_i;
    end
  end
  always_comb begin
    if (begun_q) begin
      assert (behavioural == sum_q);
      assert (primitives == sum_q);
    end
  end
endmodule
