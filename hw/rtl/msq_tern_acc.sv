// An accumulator of W bits that adds two numbers a cycle and wraps: q <= (first ? 0 : q) + x + y when en_i is 1.
//
// XC7_PRIMS = 1: one LUT6_2 a bit and a carry chain (see msq_tern_add); clearing costs nothing, it is in the LUT.
module msq_tern_acc #(
  parameter int W = 24,
  parameter int XC7_PRIMS = 0
) (
  input  logic         clk_i,
  input  logic         en_i,
  input  logic         first_i,
  input  logic [W-1:0] x_i,
  input  logic [W-1:0] y_i,
  output logic [W-1:0] acc_o
);
  logic [W-1:0] acc_d, acc_q;

  if (XC7_PRIMS != 0) begin : gen_prims
    localparam int QUADS = (W + 3) / 4;
    localparam int BITS = 4 * QUADS;

    logic [BITS:0]   saved;
    logic [BITS-1:0] propagate, generated, sum, carry;

    assign saved[0] = 1'b0;
    for (genvar i = 0; i < BITS; i++) begin : gen_bit
      if (i < W) begin : gen_add
        LUT6_2 #(.INIT(64'h99666996_8888e8e8)) u_add (
          .O6(propagate[i]), .O5(saved[i+1]),
          .I0(x_i[i]), .I1(y_i[i]), .I2(acc_q[i]), .I3(saved[i]), .I4(first_i), .I5(1'b1));
        assign generated[i] = saved[i];
      end else begin : gen_top
        assign saved[i+1] = 1'b0;
        assign propagate[i] = 1'b0;
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
    assign acc_d = sum[W-1:0];

    logic unused_top;
    assign unused_top = ^{saved, sum, carry};
  end else begin : gen_behavioural
    assign acc_d = (first_i ? '0 : acc_q) + x_i + y_i;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) acc_q <= acc_d;
  end
  assign acc_o = acc_q;
endmodule
