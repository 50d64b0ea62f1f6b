// A weight of a DSP lane as a number: its code is two's complement, or SP2 (N5) with sp2_i.
module msq_wgt_code (
  input  logic       sp2_i,
  input  logic [3:0] code_i,
  output logic [4:0] weight_o
);
  logic [3:0] magnitude;

  always_comb begin
    unique case (code_i[2:1])
      2'd0: magnitude = {1'b0, code_i[0], 2'b00};
      2'd1: magnitude = {1'b0, code_i[0], 2'b01};
      2'd2: magnitude = {1'b0, code_i[0], 2'b10};
      default: magnitude = {code_i[0], !code_i[0], 2'b00};
    endcase
    if (!sp2_i) weight_o = {code_i[3], code_i};
    else weight_o = code_i[3] ? 5'd0 - {1'b0, magnitude} : {1'b0, magnitude};
  end
endmodule
