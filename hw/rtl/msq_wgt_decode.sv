// Weight beats of DSP lanes, decoded and packed in pairs: 16 fields {hi5, lo5} with lo5 = w0 and hi5 = w1 - (w0 < 0),
// the upper and lower bits of w1 * 2^20 + w0.
//
// A beat of an even lane comes before that of the odd lane of its pair. A code is two's complement, or SP2 (N5) with
// sp2_i. The pair is at the output in the cycle after the odd lane's beat, for one cycle.
module msq_wgt_decode (
  input  logic         clk_i,
  input  logic         valid_i,
  input  logic         odd_i,
  input  logic         sp2_i,
  input  logic [63:0]  data_i,
  output logic [159:0] pair_o
);
  for (genvar n = 0; n < 16; n++) begin : gen_weight
    logic [4:0] weight, low_q, high_q;

    msq_wgt_code u_code (.sp2_i, .code_i(data_i[n*4+:4]), .weight_o(weight));

    always_ff @(posedge clk_i) begin
      if (valid_i && !odd_i) low_q <= weight;
      if (valid_i && odd_i) high_q <= weight - 5'(low_q[4]);
    end
    assign pair_o[n*10+:10] = {high_q, low_q};
  end
endmodule
