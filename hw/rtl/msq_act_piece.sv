// Which piece of a bank of the activation memory a row lies in: one bit a piece, none for a row outside. Combinational.
//
// Piece k > 0 is bit k + 9 of DEPTH; piece 0 is what is left below 1024. The largest begins at row 0.
module msq_act_piece #(
  parameter int DEPTH = 2048
) (
  input  logic [19:0] row_i,
  output logic [11:0] piece_o
);
  localparam int REST = DEPTH % 1024;

  for (genvar k = 0; k < 12; k++) begin : gen_piece
    localparam int SIZE = k == 0 ? REST : (DEPTH >> (k + 9)) % 2 << (k + 9);
    localparam int BASE = k == 0 ? DEPTH - REST : DEPTH >> (k + 10) << (k + 10);
    if (SIZE == 0) begin : gen_none
      assign piece_o[k] = 1'b0;
    end else if (k == 0) begin : gen_rest
      assign piece_o[k] = row_i[19:10] == 10'(BASE >> 10) && {22'b0, row_i[9:0]} < REST;
    end else begin : gen_power
      assign piece_o[k] = 32'(row_i) >> (k + 9) == 32'(BASE >> (k + 9));
    end
  end
endmodule
