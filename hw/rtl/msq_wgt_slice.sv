// One slice of the weight ring: a block RAM with one write and one read port and an output register.
//
// rdata_o comes two cycles after raddr_i with ren_i. Never read and written at the same address in one cycle.
module msq_wgt_slice #(
  parameter int WIDTH = 64,
  parameter int DEPTH = 512
) (
  input  logic                     clk_i,
  input  logic                     wen_i,
  input  logic [$clog2(DEPTH)-1:0] waddr_i,
  input  logic [WIDTH-1:0]         wdata_i,
  input  logic                     ren_i,
  input  logic [$clog2(DEPTH)-1:0] raddr_i,
  output logic [WIDTH-1:0]         rdata_o
);
  (* ram_style = "block" *)
  logic [WIDTH-1:0] mem [DEPTH];
  logic [WIDTH-1:0] read_q;

  always_ff @(posedge clk_i) begin
    if (wen_i) mem[waddr_i] <= wdata_i;
  end
  always_ff @(posedge clk_i) begin
    if (ren_i) read_q <= mem[raddr_i];
    rdata_o <= read_q;
  end
endmodule
