// Simulation models of the Xilinx 7 series primitives that XC7_PRIMS = 1 instantiates. Never given to synthesis.
// LUTs are multiplexers, so that an unknown input that does not matter leaves the output known.
/* verilator lint_off DECLFILENAME */
module LUT3 #(
  parameter logic [7:0] INIT = '0
) (
  output logic O,
  input  logic I0,
  input  logic I1,
  input  logic I2
);
  logic [3:0] level2;
  logic [1:0] level1;

  assign level2 = I2 ? INIT[7:4] : INIT[3:0];
  assign level1 = I1 ? level2[3:2] : level2[1:0];
  assign O = I0 ? level1[1] : level1[0];
endmodule

module LUT5 #(
  parameter logic [31:0] INIT = '0
) (
  output logic O,
  input  logic I0,
  input  logic I1,
  input  logic I2,
  input  logic I3,
  input  logic I4
);
  logic [15:0] level4;
  logic [7:0]  level3;
  logic [3:0]  level2;
  logic [1:0]  level1;

  assign level4 = I4 ? INIT[31:16] : INIT[15:0];
  assign level3 = I3 ? level4[15:8] : level4[7:0];
  assign level2 = I2 ? level3[7:4] : level3[3:0];
  assign level1 = I1 ? level2[3:2] : level2[1:0];
  assign O = I0 ? level1[1] : level1[0];
endmodule

module LUT6 #(
  parameter logic [63:0] INIT = '0
) (
  output logic O,
  input  logic I0,
  input  logic I1,
  input  logic I2,
  input  logic I3,
  input  logic I4,
  input  logic I5
);
  logic [31:0] level5;
  logic [15:0] level4;
  logic [7:0]  level3;
  logic [3:0]  level2;
  logic [1:0]  level1;

  assign level5 = I5 ? INIT[63:32] : INIT[31:0];
  assign level4 = I4 ? level5[31:16] : level5[15:0];
  assign level3 = I3 ? level4[15:8] : level4[7:0];
  assign level2 = I2 ? level3[7:4] : level3[3:0];
  assign level1 = I1 ? level2[3:2] : level2[1:0];
  assign O = I0 ? level1[1] : level1[0];
endmodule

module LUT6_2 #(
  parameter logic [63:0] INIT = '0
) (
  output logic O6,
  output logic O5,
  input  logic I0,
  input  logic I1,
  input  logic I2,
  input  logic I3,
  input  logic I4,
  input  logic I5
);
  LUT6 #(.INIT(INIT)) u_upper (.O(O6), .I0(I0), .I1(I1), .I2(I2), .I3(I3), .I4(I4), .I5(I5));
  LUT5 #(.INIT(INIT[31:0])) u_lower (.O(O5), .I0(I0), .I1(I1), .I2(I2), .I3(I3), .I4(I4));
endmodule

module CARRY4 (
  output logic [3:0] CO,
  output logic [3:0] O,
  input  logic       CI,
  input  logic       CYINIT,
  input  logic [3:0] DI,
  input  logic [3:0] S
);
  logic carry0, carry1, carry2, carry3;

  assign carry0 = S[0] ? CI | CYINIT : DI[0];
  assign carry1 = S[1] ? carry0 : DI[1];
  assign carry2 = S[2] ? carry1 : DI[2];
  assign carry3 = S[3] ? carry2 : DI[3];
  assign O = S ^ {carry2, carry1, carry0, CI | CYINIT};
  assign CO = {carry3, carry2, carry1, carry0};
endmodule
/* verilator lint_on DECLFILENAME */
