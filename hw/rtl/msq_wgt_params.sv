// The parameters of 2^TB tiles, in LUT memory: for each of Q channels of a group the words of rows 0 and 1, or 2 and 3.
//
// One word is written a cycle (lane 0..O-1, row 0..3, tile 0..2^TB-1). data_o comes two cycles after req_i: lane q of the
// group in bits q*128 on, even row in the lower 64. Of odd rows only the 47 bits of B or B' are kept: the rest reads as
// zero.
module msq_wgt_params #(
  parameter int O = 16,
  parameter int Q = 16,  // a power of two that divides O
  parameter int TB = 1
) (
  input  logic                 clk_i,
  input  logic                 wen_i,
  input  logic [$clog2(O)-1:0] lane_i,
  input  logic [1:0]           row_i,
  input  logic [TB-1:0]        tile_i,
  input  logic [63:0]          wdata_i,
  input  logic                 req_i,
  input  logic [3:0]           group_i,
  input  logic                 leaky_i,
  input  logic [TB-1:0]        rtile_i,
  output logic [Q*128-1:0]     data_o
);
  localparam int GROUPS = O / Q;
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int QW = $clog2(Q);
  localparam int AW = TB + 1 + GW;
  localparam int ODD_BITS = 47;

  logic           wen_q, odd_q, req_q;
  logic [QW-1:0]  column_q;
  logic [AW-1:0]  waddr_q, raddr_q;  // tile, leaky, group
  logic [63:0]    wdata_q;
  logic           unused_group;

  assign unused_group = ^group_i;

  always_ff @(posedge clk_i) begin
    wen_q    <= wen_i;
    odd_q    <= row_i[0];
    column_q <= lane_i[QW-1:0];
    waddr_q  <= {tile_i, row_i[1], GW'(lane_i >> QW)};
    wdata_q  <= wdata_i;
    req_q    <= req_i;
    raddr_q  <= {rtile_i, leaky_i, group_i[GW-1:0]};
  end

  for (genvar q = 0; q < Q; q++) begin : gen_column
    (* ram_style = "distributed" *)
    logic [63:0] even [2**AW];
    (* ram_style = "distributed" *)
    logic [ODD_BITS-1:0] odd [2**AW];
    logic [63:0] even_q;
    logic [ODD_BITS-1:0] high_q;

    always_ff @(posedge clk_i) begin
      if (wen_q && column_q == QW'(q) && !odd_q) even[waddr_q] <= wdata_q;
      if (wen_q && column_q == QW'(q) && odd_q) odd[waddr_q] <= wdata_q[ODD_BITS-1:0];
      if (req_q) even_q <= even[raddr_q];
      if (req_q) high_q <= odd[raddr_q];
    end
    assign data_o[q*128+:128] = {(64 - ODD_BITS)'(0), high_q, even_q};
  end
endmodule
