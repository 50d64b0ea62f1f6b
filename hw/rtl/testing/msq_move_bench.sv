// Bench: msq_load and msq_store with the AXI ports behind them.
module msq_move_bench #(
  parameter int BANKS = 5
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic [47:0]   win_base_i,
  input  logic [47:0]   win_size_i,
  input  logic [1023:0] cmd_instr_i,
  input  logic          load_valid_i,
  output logic          load_ready_o,
  output logic          load_done_o,
  input  logic          store_valid_i,
  output logic          store_ready_o,
  output logic          store_done_o,
  output logic [1:0]    error_o,
  input  logic          abort_i,
  output logic          idle_o,
  output logic          range_err_o,

  output logic          lw_valid_o,
  input  logic          lw_ready_i,
  output logic [23:0]   lw_addr_o,
  output logic [63:0]   lw_data_o,
  output logic          st_valid_o,
  input  logic          st_ready_i,
  output logic [23:0]   st_addr_o,
  input  logic          st_rvalid_i,
  input  logic [63:0]   st_rdata_i,

  output logic          m_arvalid_o,
  input  logic          m_arready_i,
  output logic [47:0]   m_araddr_o,
  output logic [7:0]    m_arlen_o,
  output logic [2:0]    m_arsize_o,
  output logic [1:0]    m_arburst_o,
  input  logic          m_rvalid_i,
  output logic          m_rready_o,
  input  logic [63:0]   m_rdata_i,
  input  logic [1:0]    m_rresp_i,
  input  logic          m_rlast_i,
  output logic          m_awvalid_o,
  input  logic          m_awready_i,
  output logic [47:0]   m_awaddr_o,
  output logic [7:0]    m_awlen_o,
  output logic [2:0]    m_awsize_o,
  output logic [1:0]    m_awburst_o,
  output logic          m_wvalid_o,
  input  logic          m_wready_i,
  output logic [63:0]   m_wdata_o,
  output logic [7:0]    m_wstrb_o,
  output logic          m_wlast_o,
  input  logic          m_bvalid_i,
  output logic          m_bready_o,
  input  logic [1:0]    m_bresp_i
);
  logic        rd_valid, rd_ready, rd_data_valid, rd_idle, rd_range, unused_rd_last, unused_rd_err;
  logic        wr_valid, wr_ready, wr_data_valid, wr_data_ready, wr_idle, wr_range, unused_wr_err;
  logic        load_idle, store_idle;
  logic [47:0] rd_addr, wr_addr;
  logic [4:0]  rd_beats, wr_beats;
  logic [63:0] rd_data, wr_data;

  assign idle_o      = load_idle && store_idle && rd_idle && wr_idle;
  assign range_err_o = rd_range || wr_range;

  msq_load #(.BANKS(BANKS)) u_load (
    .clk_i, .rst_ni, .cmd_valid_i(load_valid_i), .cmd_ready_o(load_ready_o), .cmd_instr_i, .done_o(load_done_o),
    .error_o(error_o[0]), .abort_i, .idle_o(load_idle), .req_valid_o(rd_valid), .req_ready_i(rd_ready),
    .req_addr_o(rd_addr), .req_beats_o(rd_beats), .data_valid_i(rd_data_valid), .data_i(rd_data), .lw_valid_o,
    .lw_ready_i, .lw_addr_o, .lw_data_o
  );

  msq_axi_rd #(.CLIENTS(1)) u_rd (
    .clk_i, .rst_ni, .win_base_i, .win_size_i, .req_valid_i(rd_valid), .req_ready_o(rd_ready), .req_addr_i(rd_addr),
    .req_beats_i(rd_beats), .data_valid_o(rd_data_valid), .data_o(rd_data), .data_last_o(unused_rd_last),
    .err_o(unused_rd_err), .range_err_o(rd_range), .idle_o(rd_idle), .m_arvalid_o, .m_arready_i, .m_araddr_o,
    .m_arlen_o, .m_arsize_o, .m_arburst_o, .m_rvalid_i, .m_rready_o, .m_rdata_i, .m_rresp_i, .m_rlast_i
  );

  msq_store #(.BANKS(BANKS)) u_store (
    .clk_i, .rst_ni, .cmd_valid_i(store_valid_i), .cmd_ready_o(store_ready_o), .cmd_instr_i, .done_o(store_done_o),
    .error_o(error_o[1]), .abort_i, .idle_o(store_idle), .req_valid_o(wr_valid), .req_ready_i(wr_ready),
    .req_addr_o(wr_addr), .req_beats_o(wr_beats), .wdata_valid_o(wr_data_valid), .wdata_ready_i(wr_data_ready),
    .wdata_o(wr_data), .wr_idle_i(wr_idle), .st_valid_o, .st_ready_i, .st_addr_o, .st_rvalid_i, .st_rdata_i
  );

  msq_axi_wr u_wr (
    .clk_i, .rst_ni, .win_base_i, .win_size_i, .req_valid_i(wr_valid), .req_ready_o(wr_ready), .req_addr_i(wr_addr),
    .req_beats_i(wr_beats), .wdata_valid_i(wr_data_valid), .wdata_ready_o(wr_data_ready), .wdata_i(wr_data),
    .err_o(unused_wr_err), .range_err_o(wr_range), .idle_o(wr_idle), .m_awvalid_o, .m_awready_i, .m_awaddr_o,
    .m_awlen_o, .m_awsize_o, .m_awburst_o, .m_wvalid_o, .m_wready_i, .m_wdata_o, .m_wstrb_o, .m_wlast_o, .m_bvalid_i,
    .m_bready_o, .m_bresp_i
  );
endmodule
