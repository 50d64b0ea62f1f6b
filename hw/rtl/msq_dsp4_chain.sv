// Four DSP blocks in a cascade: for two lanes x two pixels, the sum of four products each, in one number.
//
// fields_o holds four fields of 10 bits, each 512 + the sum over k of its lane's weight times its pixel's activation:
// bits 9:0 lane 0 pixel 0, 19:10 lane 0 pixel 1, 29:20 lane 1 pixel 0, 39:30 lane 1 pixel 1. With |weight| <= 8 a sum
// stays within +-480, so no field is negative and none touches its neighbour.
// Operand k = 0..3: act_i[8k+:8] = {pixel 1, pixel 0}, unsigned; weight_i[10k+:10] = {hi, lo} with lo = w of lane 0 and
// hi = w of lane 1 - (lo < 0), both 5 bits in two's complement, so that hi * 2^20 + lo = w1 * 2^20 + w0.
//
// Block k adds one cycle later than block k - 1: the caller gives operand k of a step k cycles after its operand 0.
// Latency 6 from operand 0; one step a cycle. Maps to DSP48E1 with A (25 bits), B (18 bits), M and P registers.
module msq_dsp4_chain (
  input  logic        clk_i,
  input  logic [31:0] act_i,
  input  logic [39:0] weight_i,
  output logic [39:0] fields_o
);
  localparam logic signed [47:0] Bias = 48'sh80_2008_0200;  // 512 in each field

  logic signed [47:0] sum_q [4];

  for (genvar k = 0; k < 4; k++) begin : gen_block
    logic signed [24:0] a_q;
    logic signed [17:0] b_q;
    logic signed [42:0] m_q;
    logic signed [47:0] addend;

    if (k == 0) begin : gen_bias
      assign addend = Bias;
    end else begin : gen_cascade
      assign addend = sum_q[k-1];
    end
    always_ff @(posedge clk_i) begin
      a_q <= {weight_i[10*k+5+:5], {15{weight_i[10*k+4]}}, weight_i[10*k+:5]};
      b_q <= {4'b0, act_i[8*k+4+:4], 6'b0, act_i[8*k+:4]};
      m_q <= a_q * b_q;
      sum_q[k] <= 48'(m_q) + addend;
    end
  end

  assign fields_o = sum_q[3][39:0];

  logic unused_top;
  assign unused_top = ^sum_q[3][47:40];
endmodule
