// One bank of the activation memory: DEPTH words of 64 bits, a read port (A) and a read or write port (B).
//
// Data come 2 cycles after the enable (memory, output register), 0 without one. An enable is a bit for the piece that
// the row lies in (msq_act_piece); none makes a read return 0 and drops a write. Writes go by 32-bit halves and are
// readable on both ports from the next cycle on; the same word written on B and read on A in one cycle reads as
// anything. DEPTH is cut into pieces of powers of 2, largest first, so that 9216 words are 8192 + 1024 and a read
// selects one of two pieces, not one of nine block RAMs.
module msq_act_bank #(
  parameter int DEPTH = 2048,
  parameter int RB    = $clog2(DEPTH)
) (
  input  logic          clk_i,

  input  logic [11:0]   a_piece_i,
  input  logic [RB-1:0] a_row_i,
  output logic [63:0]   a_data_o,

  input  logic [11:0]   b_piece_i,
  input  logic          b_write_i,
  input  logic [1:0]    b_mask_i,
  input  logic [RB-1:0] b_row_i,
  input  logic [63:0]   b_data_i,
  output logic [63:0]   b_data_o
);
  localparam int PIECES = 12;
  localparam int REST   = DEPTH % 1024;

  logic [63:0] a_piece [PIECES];
  logic [63:0] b_piece [PIECES];
  logic [63:0] a_word, b_word;
  logic        unused_rows;

  assign unused_rows = ^{a_row_i, b_row_i};  // their upper bits are in the enables

  for (genvar k = 0; k < PIECES; k++) begin : gen_piece
    localparam int SHIFT = k + 9;
    localparam int SIZE  = k == 0 ? REST : (DEPTH >> SHIFT) % 2 << SHIFT;
    if (SIZE == 0) begin : gen_none
      logic unused_piece;
      assign unused_piece = a_piece_i[k] ^ b_piece_i[k];
      assign a_piece[k] = '0;
      assign b_piece[k] = '0;
    end else begin : gen_ram
      localparam int PB = SIZE > 1 ? $clog2(SIZE) : 1;
      logic a_here_q, b_here_q;

      always_ff @(posedge clk_i) begin
        a_here_q <= a_piece_i[k];
        b_here_q <= b_piece_i[k];
      end

      logic [63:0] a_raw, b_raw;
      for (genvar h = 0; h < 2; h++) begin : gen_half
        msq_act_column #(.DEPTH(SIZE)) u_column (
          .clk_i,
          .a_en_i(a_piece_i[k]), .a_row_i(a_row_i[PB-1:0]), .a_data_o(a_raw[32*h +: 32]),
          .b_en_i(b_piece_i[k] && (!b_write_i || b_mask_i[h])), .b_write_i, .b_row_i(b_row_i[PB-1:0]),
          .b_data_i(b_data_i[32*h +: 32]), .b_data_o(b_raw[32*h +: 32])
        );
      end
      assign a_piece[k] = a_raw & {64{a_here_q}};
      assign b_piece[k] = b_raw & {64{b_here_q}};
    end
  end

  always_comb begin
    a_word = '0;
    b_word = '0;
    for (int k = 0; k < PIECES; k++) begin
      a_word |= a_piece[k];
      b_word |= b_piece[k];
    end
  end

  always_ff @(posedge clk_i) begin
    a_data_o <= a_word;
    b_data_o <= b_word;
  end
endmodule
