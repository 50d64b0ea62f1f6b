// 32 of the 64 bits of a bank of the activation memory: true dual port, one port that reads and one that reads or
// writes.
//
// Read data come one cycle after the enable and stay until the next read. DEPTH should be a power of 2 or small: then
// block RAMs stand side by side, each a few bits wide, with nothing to select behind them.
module msq_act_column #(
  parameter int DEPTH = 1024,
  parameter int RB    = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  logic          clk_i,
  input  logic          a_en_i,
  input  logic [RB-1:0] a_row_i,
  output logic [31:0]   a_data_o,
  input  logic          b_en_i,
  input  logic          b_write_i,
  input  logic [RB-1:0] b_row_i,
  input  logic [31:0]   b_data_i,
  output logic [31:0]   b_data_o
);
  logic [31:0] mem [DEPTH];

  always_ff @(posedge clk_i) begin
    if (a_en_i) a_data_o <= mem[a_row_i];
  end

  always_ff @(posedge clk_i) begin
    if (b_en_i) begin
      if (b_write_i) mem[b_row_i] <= b_data_i;
      else           b_data_o     <= mem[b_row_i];
    end
  end
endmodule
