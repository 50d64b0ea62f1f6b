// The sum of three unsigned numbers of W bits. Combinational.
//
// XC7_PRIMS = 1: one LUT6_2 a bit and a carry chain, where a tool that knows no ternary adders takes two chains. The
// full adder of a position is the lower output, the carry chain adds its carry to the next position's sum.
module msq_tern_add #(
  parameter int W = 8,
  parameter int XC7_PRIMS = 0
) (
  input  logic [W-1:0] x_i,
  input  logic [W-1:0] y_i,
  input  logic [W-1:0] z_i,
  output logic [W+1:0] sum_o
);
  if (XC7_PRIMS != 0) begin : gen_prims
    localparam int QUADS = (W + 4) / 4;
    localparam int BITS = 4 * QUADS;

    // saved[i]: what position i - 1 carries over. Position W has nothing but that.
    logic [BITS:0]   saved;
    logic [BITS-1:0] propagate, generated, sum, carry;

    assign saved[0] = 1'b0;
    for (genvar i = 0; i < BITS; i++) begin : gen_bit
      if (i < W) begin : gen_add
        LUT6_2 #(.INIT(64'h69966996_e8e8e8e8)) u_add (
          .O6(propagate[i]), .O5(saved[i+1]),
          .I0(x_i[i]), .I1(y_i[i]), .I2(z_i[i]), .I3(saved[i]), .I4(1'b0), .I5(1'b1));
        assign generated[i] = saved[i];
      end else begin : gen_top
        assign saved[i+1] = 1'b0;
        assign propagate[i] = saved[i];
        assign generated[i] = 1'b0;
      end
    end
    for (genvar i = 0; i < QUADS; i++) begin : gen_quad
      logic carry_in;
      if (i == 0) begin : gen_first
        assign carry_in = 1'b0;
      end else begin : gen_next
        assign carry_in = carry[4*i-1];
      end
      CARRY4 u_carry (.CI(carry_in), .CYINIT(1'b0), .DI(generated[4*i+:4]), .S(propagate[4*i+:4]), .O(sum[4*i+:4]),
                      .CO(carry[4*i+:4]));
    end
    assign sum_o = {carry[W], sum[W:0]};

    logic unused_top;
    assign unused_top = ^{saved, sum, carry};
  end else begin : gen_behavioural
    assign sum_o = {2'b0, x_i} + {2'b0, y_i} + {2'b0, z_i};
  end
endmodule
