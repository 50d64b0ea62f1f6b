// Bench: msq_wgt with a read port of its own behind each of its streams.
module msq_wgt_bench #(
  parameter int F      = 6,
  parameter int S      = 10,
  parameter int PORTS  = 1,
  parameter int WDEPTH = 512,
  parameter int Q      = 16
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [47:0]         win_size_i,
  input  logic                clear_i,
  input  logic                cmd_valid_i,
  output logic                cmd_ready_o,
  input  logic [1023:0]       cmd_instr_i,
  output logic                done_o,
  output logic                error_o,
  input  logic                abort_i,
  output logic                idle_o,
  output logic [PORTS-1:0]    range_err_o,
  output logic [PORTS-1:0]    err_o,
  output logic [15:0]         rows_avail_o,
  input  logic                rd_en_i,
  input  logic [15:0]         rd_row_i,
  input  logic                release_i,
  input  logic [15:0]         release_rows_i,
  output logic [F/2*160-1:0]  wf_o,
  output logic [S*64-1:0]     ws_o,
  input  logic                param_req_i,
  input  logic [3:0]          param_group_i,
  input  logic                param_leaky_i,
  output logic [Q*128-1:0]    param_data_o,
  input  logic                tile_drained_i,

  output logic [PORTS-1:0]    m_arvalid_o,
  input  logic [PORTS-1:0]    m_arready_i,
  output logic [PORTS*48-1:0] m_araddr_o,
  output logic [PORTS*8-1:0]  m_arlen_o,
  output logic [PORTS*3-1:0]  m_arsize_o,
  output logic [PORTS*2-1:0]  m_arburst_o,
  input  logic [PORTS-1:0]    m_rvalid_i,
  output logic [PORTS-1:0]    m_rready_o,
  input  logic [PORTS*64-1:0] m_rdata_i,
  input  logic [PORTS*2-1:0]  m_rresp_i,
  input  logic [PORTS-1:0]    m_rlast_i
);
  logic [PORTS-1:0]    req_valid, req_ready, data_valid, unused_last, port_idle;
  logic [PORTS*48-1:0] req_addr;
  logic [PORTS*5-1:0]  req_beats;
  logic [PORTS*64-1:0] data;
  logic                wgt_idle;

  assign idle_o = wgt_idle && &port_idle;

  logic unused_dsp, unused_lut;

  msq_wgt #(.F(F), .S(S), .PORTS(PORTS), .WDEPTH(WDEPTH), .Q(Q)) u_wgt (
    .clk_i, .rst_ni, .clear_i, .cmd_valid_i, .cmd_ready_o, .cmd_instr_i, .done_o, .error_o, .abort_i, .idle_o(wgt_idle),
    .req_valid_o(req_valid), .req_ready_i(req_ready), .req_addr_o(req_addr), .req_beats_o(req_beats),
    .data_valid_i(data_valid), .data_i(data), .rows_avail_o, .rd_en_i, .rd_row_i, .release_i, .release_rows_i, .wf_o,
    .ws_o, .param_req_i, .param_group_i, .param_leaky_i, .param_data_o, .tile_drained_i,
    .conv_tile_end_i(1'b0), .dsp_used_o(unused_dsp), .lut_used_o(unused_lut)
  );

  for (genvar p = 0; p < PORTS; p++) begin : gen_port
    msq_axi_rd #(.CLIENTS(1)) u_rd (
      .clk_i, .rst_ni, .win_base_i(48'd0), .win_size_i, .req_valid_i(req_valid[p]), .req_ready_o(req_ready[p]),
      .req_addr_i(req_addr[p*48+:48]), .req_beats_i(req_beats[p*5+:5]), .data_valid_o(data_valid[p]),
      .data_o(data[p*64+:64]), .data_last_o(unused_last[p]), .err_o(err_o[p]), .range_err_o(range_err_o[p]),
      .idle_o(port_idle[p]), .m_arvalid_o(m_arvalid_o[p]), .m_arready_i(m_arready_i[p]),
      .m_araddr_o(m_araddr_o[p*48+:48]), .m_arlen_o(m_arlen_o[p*8+:8]), .m_arsize_o(m_arsize_o[p*3+:3]),
      .m_arburst_o(m_arburst_o[p*2+:2]), .m_rvalid_i(m_rvalid_i[p]), .m_rready_o(m_rready_o[p]),
      .m_rdata_i(m_rdata_i[p*64+:64]), .m_rresp_i(m_rresp_i[p*2+:2]), .m_rlast_i(m_rlast_i[p])
    );
  end
endmodule
