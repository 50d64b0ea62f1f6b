// Proof obligation: both builds of msq_tern_add are x + y + z, in the widths that the array uses.
module msq_tern_add_proof (
  input logic [9:0] x_i,
  input logic [9:0] y_i,
  input logic [9:0] z_i
);
  for (genvar i = 0; i < 3; i++) begin : gen_width
    localparam int W = i == 0 ? 7 : i == 1 ? 9 : 10;
    logic [W+1:0] behavioural, primitives, sum;

    msq_tern_add #(.W(W), .XC7_PRIMS(0)) u_behavioural (
      .x_i(x_i[W-1:0]), .y_i(y_i[W-1:0]), .z_i(z_i[W-1:0]), .sum_o(behavioural));
    msq_tern_add #(.W(W), .XC7_PRIMS(1)) u_primitives (
      .x_i(x_i[W-1:0]), .y_i(y_i[W-1:0]), .z_i(z_i[W-1:0]), .sum_o(primitives));
    assign sum = {2'b0, x_i[W-1:0]} + {2'b0, y_i[W-1:0]} + {2'b0, z_i[W-1:0]};
    always_comb begin
      assert (behavioural == sum);
      assert (primitives == sum);
    end
  end
endmodule
