// Two DSP lanes for two pixels (PIXELS = 1: for one): 16 DSP blocks, four adders, four accumulators.
//
// acc_o[24k+:24], k = 2 * lane + pixel, += the sum over n of weight times activation + 2048, modulo 2^24. With
// PIXELS = 1 the accumulators of pixel 1 do not exist and read 0; its activations have to be 0.
// act_i[8n+:8] = {pixel 1, pixel 0}, weight_i[10n+:10] = {hi, lo}: see msq_dsp4_chain. Operand n of a step comes n % 4
// cycles after its operand 0. One step a cycle. Latency 8: a step whose operand 0 comes in cycle t is in acc_o in cycle
// t + 8. en_i and first_i come in cycle t + 6, one cycle before they are used: each accumulator has its own registers.
module msq_fix_tile #(
  parameter int PIXELS = 2,
  parameter int XC7_PRIMS = 0
) (
  input  logic         clk_i,
  input  logic         en_i,
  input  logic         first_i,
  input  logic [127:0] act_i,
  input  logic [159:0] weight_i,
  output logic [95:0]  acc_o
);
  logic [39:0] fields [4];

  for (genvar c = 0; c < 4; c++) begin : gen_chain
    logic [39:0] chain_fields;
    msq_dsp4_chain u_chain (
      .clk_i(clk_i), .act_i(act_i[32*c+:32]), .weight_i(weight_i[40*c+:40]), .fields_o(chain_fields));
    assign fields[c] = chain_fields;
  end

  for (genvar k = 0; k < 4; k++) begin : gen_field
    if (k % 2 < PIXELS) begin : gen_acc
      logic [11:0] three, three_q;
      logic [9:0]  fourth_q;

      (* keep = "true" *) logic en_q;
      (* keep = "true" *) logic first_q;

      msq_tern_add #(.W(10), .XC7_PRIMS(XC7_PRIMS)) u_add (
        .x_i(fields[0][10*k+:10]), .y_i(fields[1][10*k+:10]), .z_i(fields[2][10*k+:10]), .sum_o(three));
      always_ff @(posedge clk_i) begin
        en_q <= en_i;
        first_q <= first_i;
        three_q <= three;
        fourth_q <= fields[3][10*k+:10];
      end
      msq_tern_acc #(.W(24), .XC7_PRIMS(XC7_PRIMS)) u_acc (
        .clk_i(clk_i), .en_i(en_q), .first_i(first_q), .x_i({12'b0, three_q}), .y_i({14'b0, fourth_q}),
        .acc_o(acc_o[24*k+:24]));
    end else begin : gen_none
      assign acc_o[24*k+:24] = 24'b0;

      logic unused_fields;
      assign unused_fields = ^{fields[0][10*k+:10], fields[1][10*k+:10], fields[2][10*k+:10], fields[3][10*k+:10]};
    end
  end
endmodule
