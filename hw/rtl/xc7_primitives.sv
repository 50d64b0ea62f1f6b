// Simulation models of the Xilinx 7 series primitives that XC7_PRIMS = 1 instantiates. Never given to synthesis.
/* verilator lint_off DECLFILENAME */
module LUT3 #(
  parameter logic [7:0] INIT = '0
) (
  output logic O,
  input  logic I0,
  input  logic I1,
  input  logic I2
);
  assign O = INIT[{I2, I1, I0}];
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
  assign O = INIT[{I4, I3, I2, I1, I0}];
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
  assign O = INIT[{I5, I4, I3, I2, I1, I0}];
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
  assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
  assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
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
