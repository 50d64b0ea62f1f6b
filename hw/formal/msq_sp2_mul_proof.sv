// Proof obligation: both builds of msq_sp2_mul are w * a + 123 * sign for every code and activation (numerics N5).
module msq_sp2_mul_proof (
  input logic [3:0] act_i,
  input logic [3:0] code_i
);
  logic [6:0] behavioural, primitives;
  logic [3:0] magnitude;
  logic [7:0] product;

  msq_sp2_mul #(.XC7_PRIMS(0)) u_behavioural (.act_i(act_i), .code_i(code_i), .product_o(behavioural));
  msq_sp2_mul #(.XC7_PRIMS(1)) u_primitives (.act_i(act_i), .code_i(code_i), .product_o(primitives));

  always_comb begin
    case (code_i[2:1])
      2'd0: magnitude = 4'd0;
      2'd1: magnitude = 4'd1;
      2'd2: magnitude = 4'd2;
      default: magnitude = 4'd4;
    endcase
    if (code_i[0]) magnitude = magnitude + 4'd4;
    product = magnitude * act_i;
    if (code_i[3]) product = 8'd123 - product;
    assert ({1'b0, behavioural} == product);
    assert ({1'b0, primitives} == product);
  end
endmodule
