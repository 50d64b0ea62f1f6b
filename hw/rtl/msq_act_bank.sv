// One bank of the activation memory: DEPTH words of 64 bits, a read port (A) and a read or write port (B).
//
// Data come 2 cycles after the enable (memory, output register); a_ok_i, b_ok_i = 0 with an enable makes a read return 0
// and drops a write. Writes go by 32-bit halves and are readable on both ports from the next cycle on; the same word
// written on B and read on A in one cycle reads as anything. Two columns of 32 bits, so that each is a chain of RAMB36 as
// 1K x 36 with one write enable.
module msq_act_bank #(
  parameter int DEPTH = 2048,
  parameter int RB    = $clog2(DEPTH)
) (
  input  logic          clk_i,

  input  logic          a_en_i,
  input  logic          a_ok_i,
  input  logic [RB-1:0] a_row_i,
  output logic [63:0]   a_data_o,

  input  logic          b_en_i,
  input  logic          b_ok_i,
  input  logic          b_write_i,
  input  logic [1:0]    b_mask_i,
  input  logic [RB-1:0] b_row_i,
  input  logic [63:0]   b_data_i,
  output logic [63:0]   b_data_o
);
  logic [63:0] a_raw, b_raw;
  logic        a_ok_q, b_ok_q;

  for (genvar h = 0; h < 2; h++) begin : gen_half
    logic [31:0] mem [DEPTH];
    logic [31:0] a_q, b_q;
    logic        a_access, b_access;

    assign a_access = a_en_i && a_ok_i;
    assign b_access = b_en_i && b_ok_i;

    always_ff @(posedge clk_i) begin
      if (a_access) a_q <= mem[a_row_i];
    end

    always_ff @(posedge clk_i) begin
      if (b_access) begin
        if (b_write_i) begin
          if (b_mask_i[h]) mem[b_row_i] <= b_data_i[32*h +: 32];
        end else begin
          b_q <= mem[b_row_i];
        end
      end
    end

    assign a_raw[32*h +: 32] = a_q;
    assign b_raw[32*h +: 32] = b_q;
  end

  always_ff @(posedge clk_i) begin
    a_ok_q   <= a_ok_i;
    b_ok_q   <= b_ok_i;
    a_data_o <= a_ok_q ? a_raw : '0;
    b_data_o <= b_ok_q ? b_raw : '0;
  end
endmodule
