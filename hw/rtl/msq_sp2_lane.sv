// One SP2 lane for one pixel: 16 weights times 16 activations, summed and accumulated.
//
// acc_o += the sum over n of w[n] * a[n] + 123 * (sign bit of w[n]), modulo 2^24 (msq_sp2_mul says why). One step a
// cycle. Latency 4: operands in cycle t are in acc_o in cycle t + 4. en_i and first_i come in cycle t + 2, one cycle
// before the accumulator uses them, because each lane has its own register of both: their fan-out would be the array's
// longest path.
module msq_sp2_lane #(
  parameter int XC7_PRIMS = 0
) (
  input  logic        clk_i,
  input  logic        en_i,
  input  logic        first_i,
  input  logic [63:0] act_i,
  input  logic [63:0] weight_i,
  output logic [23:0] acc_o
);
  logic [6:0]  product_q [16];
  logic [8:0]  third_q [6];  // sums of three products; the last one has a single product
  logic [10:0] half_q [2];   // sums of nine and of seven products

  (* keep = "true" *) logic en_q;
  (* keep = "true" *) logic first_q;
  always_ff @(posedge clk_i) begin
    en_q <= en_i;
    first_q <= first_i;
  end

  for (genvar n = 0; n < 16; n++) begin : gen_product
    logic [6:0] product;
    msq_sp2_mul #(.XC7_PRIMS(XC7_PRIMS)) u_mul (
      .act_i(act_i[4*n+:4]), .code_i(weight_i[4*n+:4]), .product_o(product));
    always_ff @(posedge clk_i) product_q[n] <= product;
  end

  for (genvar i = 0; i < 5; i++) begin : gen_third
    logic [8:0] third;
    msq_tern_add #(.W(7), .XC7_PRIMS(XC7_PRIMS)) u_add (
      .x_i(product_q[3*i]), .y_i(product_q[3*i+1]), .z_i(product_q[3*i+2]), .sum_o(third));
    always_ff @(posedge clk_i) third_q[i] <= third;
  end
  always_ff @(posedge clk_i) third_q[5] <= {2'b0, product_q[15]};

  for (genvar i = 0; i < 2; i++) begin : gen_half
    logic [10:0] half;
    msq_tern_add #(.W(9), .XC7_PRIMS(XC7_PRIMS)) u_add (
      .x_i(third_q[3*i]), .y_i(third_q[3*i+1]), .z_i(third_q[3*i+2]), .sum_o(half));
    always_ff @(posedge clk_i) half_q[i] <= half;
  end

  msq_tern_acc #(.W(24), .XC7_PRIMS(XC7_PRIMS)) u_acc (
    .clk_i(clk_i), .en_i(en_q), .first_i(first_q), .x_i({13'b0, half_q[0]}), .y_i({13'b0, half_q[1]}), .acc_o(acc_o));
endmodule
