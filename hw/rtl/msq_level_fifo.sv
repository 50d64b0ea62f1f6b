// A first-in first-out buffer in LUT memory that is read in place and tells its level.
//
// A word that is pushed is at the output one cycle later; one word a cycle in and out. The writer counts room itself,
// by level_o or by credits: pushing into a full buffer is an error (asserted). pop_i only while valid_o.
module msq_level_fifo #(
  parameter int WIDTH = 64,
  parameter int DEPTH = 32
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       push_i,
  input  logic [WIDTH-1:0]           data_i,
  output logic                       valid_o,
  output logic [WIDTH-1:0]           data_o,
  input  logic                       pop_i,
  output logic [$clog2(DEPTH+1)-1:0] level_o
);
  localparam int PW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int LW = $clog2(DEPTH + 1);

  (* ram_style = "distributed" *)
  logic [WIDTH-1:0] mem [DEPTH];

  logic [PW-1:0] write_q, read_q;
  logic [LW-1:0] level_q;

  assign valid_o = level_q != '0;
  assign data_o  = mem[read_q];
  assign level_o = level_q;

  always_ff @(posedge clk_i) begin
    if (push_i) mem[write_q] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      level_q <= '0;
    end else begin
      if (push_i) write_q <= write_q == PW'(DEPTH - 1) ? '0 : write_q + 1'b1;
      if (pop_i) read_q <= read_q == PW'(DEPTH - 1) ? '0 : read_q + 1'b1;
      if (push_i && !pop_i) level_q <= level_q + 1'b1;
      if (!push_i && pop_i) level_q <= level_q - 1'b1;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!push_i || level_q != LW'(DEPTH)) else $error("msq_level_fifo: push into a full buffer");
      assert (!pop_i || level_q != '0) else $error("msq_level_fifo: pop from an empty buffer");
    end
  end
`endif
endmodule
