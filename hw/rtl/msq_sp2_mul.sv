// The product of an SP2 weight and an activation, with the sign folded in: unsigned, 0..123.
//
// code_i is {sign, e1[1:0], e2} (docs/numerics.md, N5), u = |w| * a = (e1 ? a << (e1 - 1) : 0) + (e2 ? a << 2 : 0).
// product_o = sign ? 123 - u : u, that is w * a + 123 * sign: each of the two terms is complemented bit by bit, which
// takes it from 63 and from 4 * 15. What is too much depends on the weights alone and is taken away with the bias.
// All 16 codes are computed as they stand, the not canonical ones (-0; 4 as 0 + 4) too. Combinational.
//
// XC7_PRIMS = 1: 6 LUTs and a CARRY4, as primitives (proven equal in hw/formal).
module msq_sp2_mul #(
  parameter int XC7_PRIMS = 0
) (
  input  logic [3:0] act_i,
  input  logic [3:0] code_i,
  output logic [6:0] product_o
);
  logic       sign, e2;
  logic [1:0] e1;

  assign sign = code_i[3];
  assign e1 = code_i[2:1];
  assign e2 = code_i[0];

  if (XC7_PRIMS != 0) begin : gen_prims
    logic [3:0] propagate, generated, sum, carry;

    // Product bits 1 and 0: only the first term reaches them.
    LUT6_2 #(.INIT(64'h96d2b4f0_d2f0d2f0)) u_low (
      .O6(product_o[1]), .O5(product_o[0]),
      .I0(e1[0]), .I1(e1[1]), .I2(sign), .I3(act_i[0]), .I4(act_i[1]), .I5(1'b1));
    // Product bits 5..2: first term ^ second term; the signs cancel.
    LUT6 #(.INIT(64'h1e665a223c447800)) u_propagate0 (
      .O(propagate[0]), .I0(e1[0]), .I1(e1[1]), .I2(e2), .I3(act_i[0]), .I4(act_i[1]), .I5(act_i[2]));
    LUT6 #(.INIT(64'h1e665a223c447800)) u_propagate1 (
      .O(propagate[1]), .I0(e1[0]), .I1(e1[1]), .I2(e2), .I3(act_i[1]), .I4(act_i[2]), .I5(act_i[3]));
    LUT5 #(.INIT(32'h3c447800)) u_propagate2 (
      .O(propagate[2]), .I0(e1[0]), .I1(e1[1]), .I2(e2), .I3(act_i[2]), .I4(act_i[3]));
    LUT6_2 #(.INIT(64'h78007800_0ffff000)) u_propagate3 (
      .O6(propagate[3]), .O5(generated[3]),
      .I0(e1[0]), .I1(e1[1]), .I2(e2), .I3(act_i[3]), .I4(sign), .I5(1'b1));
    // The second term itself, signed.
    LUT6_2 #(.INIT(64'h66cc66cc_6c6c6c6c)) u_generate01 (
      .O6(generated[1]), .O5(generated[0]),
      .I0(e2), .I1(sign), .I2(act_i[0]), .I3(act_i[1]), .I4(1'b0), .I5(1'b1));
    LUT3 #(.INIT(8'h6c)) u_generate2 (.O(generated[2]), .I0(e2), .I1(sign), .I2(act_i[2]));
    CARRY4 u_carry (.CI(1'b0), .CYINIT(1'b0), .DI(generated), .S(propagate), .O(sum), .CO(carry));
    assign product_o[6:2] = {carry[3], sum};

    logic unused_carry;
    assign unused_carry = ^carry[2:0];
  end else begin : gen_behavioural
    logic [5:0] first;
    logic [3:0] second;

    assign first = (e1[1] ? (e1[0] ? {act_i, 2'b0} : {1'b0, act_i, 1'b0}) : (e1[0] ? {2'b0, act_i} : 6'b0))
                   ^ {6{sign}};
    assign second = (e2 ? act_i : 4'b0) ^ {4{sign}};
    assign product_o = {{1'b0, first[5:2]} + {1'b0, second}, first[1:0]};
  end
endmodule
