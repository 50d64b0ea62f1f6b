// A first-in first-out buffer in LUT memory with a registered output.
//
// The writer counts room itself (there is no full signal): at most DEPTH words may be inside, the output register
// not counted. A word written in one cycle is at the output two cycles later; one word a cycle in and out.
// clear_i forgets everything, also a word written in that cycle.
module msq_fifo #(
  parameter int WIDTH = 64,
  parameter int DEPTH = 64  // a power of two
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,
  input  logic             wr_valid_i,
  input  logic [WIDTH-1:0] wr_data_i,
  output logic             rd_valid_o,
  input  logic             rd_ready_i,
  output logic [WIDTH-1:0] rd_data_o
);
  localparam int PW = $clog2(DEPTH);

  (* ram_style = "distributed" *)
  logic [WIDTH-1:0] mem [DEPTH];

  logic [PW:0]      wr_q, rd_q;
  logic             valid_q;
  logic [WIDTH-1:0] data_q;
  logic             empty, move;

  assign empty      = wr_q == rd_q;
  assign move       = !empty && (!valid_q || rd_ready_i);
  assign rd_valid_o = valid_q;
  assign rd_data_o  = data_q;

  always_ff @(posedge clk_i) begin
    if (wr_valid_i) mem[wr_q[PW-1:0]] <= wr_data_i;
    if (move) data_q <= mem[rd_q[PW-1:0]];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      wr_q    <= '0;
      rd_q    <= '0;
      valid_q <= 1'b0;
    end else begin
      if (wr_valid_i) wr_q <= wr_q + 1'b1;
      if (move) rd_q <= rd_q + 1'b1;
      valid_q <= !empty || (valid_q && !rd_ready_i);
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && !clear_i && wr_valid_i) begin
      assert (!(wr_q[PW] != rd_q[PW] && wr_q[PW-1:0] == rd_q[PW-1:0])) else $error("msq_fifo: written while full");
    end
  end
`endif
endmodule
