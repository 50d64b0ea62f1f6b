// The accelerator: AXI4-Lite control, an interrupt, PORTS AXI4 read ports and one write port to DRAM.
//
// Wires the units together and does nothing else. Buses of the read ports are flat, port p first at bit p * width.
// Programs:
// docs/hw/programmers_guide.md; how it works: docs/hw/theory_of_operation.md; parameters: hw/regs/configurations.json.
// trace_done_o pulses as units complete instructions (WEIGHTS, LOAD, STORE, CONV, VEC from bit 0 on), for simulation.
module msq_kernel #(
  parameter int P = 2,
  parameter int F = 6,
  parameter int S = 10,
  parameter int Q = 16,
  parameter int BANKS = 3,
  parameter int DEPTH = 2048,
  parameter int WDEPTH = 512,
  parameter int PORTS = 1,
  parameter int LOADS = 1,
  parameter int VECS = 1,
  parameter int XC7_PRIMS = 0,
  parameter logic [31:0] BUILD_ID = '0
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                s_axi_awvalid_i,
  output logic                s_axi_awready_o,
  input  logic [11:0]         s_axi_awaddr_i,
  input  logic                s_axi_wvalid_i,
  output logic                s_axi_wready_o,
  input  logic [31:0]         s_axi_wdata_i,
  input  logic [3:0]          s_axi_wstrb_i,
  output logic                s_axi_bvalid_o,
  input  logic                s_axi_bready_i,
  output logic [1:0]          s_axi_bresp_o,
  input  logic                s_axi_arvalid_i,
  output logic                s_axi_arready_o,
  input  logic [11:0]         s_axi_araddr_i,
  output logic                s_axi_rvalid_o,
  input  logic                s_axi_rready_i,
  output logic [31:0]         s_axi_rdata_o,
  output logic [1:0]          s_axi_rresp_o,
  output logic                interrupt_o,

  output logic [PORTS-1:0]    m_axi_arvalid_o,
  input  logic [PORTS-1:0]    m_axi_arready_i,
  output logic [PORTS*48-1:0] m_axi_araddr_o,
  output logic [PORTS*8-1:0]  m_axi_arlen_o,
  output logic [PORTS*3-1:0]  m_axi_arsize_o,
  output logic [PORTS*2-1:0]  m_axi_arburst_o,
  input  logic [PORTS-1:0]    m_axi_rvalid_i,
  output logic [PORTS-1:0]    m_axi_rready_o,
  input  logic [PORTS*64-1:0] m_axi_rdata_i,
  input  logic [PORTS*2-1:0]  m_axi_rresp_i,
  input  logic [PORTS-1:0]    m_axi_rlast_i,

  output logic                m_axi_awvalid_o,
  input  logic                m_axi_awready_i,
  output logic [47:0]         m_axi_awaddr_o,
  output logic [7:0]          m_axi_awlen_o,
  output logic [2:0]          m_axi_awsize_o,
  output logic [1:0]          m_axi_awburst_o,
  output logic                m_axi_wvalid_o,
  input  logic                m_axi_wready_i,
  output logic [63:0]         m_axi_wdata_o,
  output logic [7:0]          m_axi_wstrb_o,
  output logic                m_axi_wlast_o,
  input  logic                m_axi_bvalid_i,
  output logic                m_axi_bready_o,
  input  logic [1:0]          m_axi_bresp_i,

  output logic [4:0]          trace_done_o
);
  localparam int O  = F + S;
  localparam int NW = Q > 16 ? Q / 16 : 1;

  // Units, as opcodes number them.
  localparam int WEIGHTS = 0, LOAD = 1, STORE = 2, CONV = 3, VEC = 4;

  logic        start, clear, done, abort, unused_busy;
  logic [47:0] prog_addr, win_base, win_size;
  logic [31:0] watchdog_limit, error_index;
  logic        error_valid;
  logic [3:0]  error_code;

  logic [4:0]    cmd_valid, cmd_ready, unit_done, unit_idle;
  logic [5119:0] cmd_instr;
  logic [4:0]    unit_error;
  logic          step, dsp_used, lut_used, stall_weights, stall_drain, stall_bank;
  logic          act_range, b_activity, rd_range, rd_error, wr_range, wr_error, rd_idle, wr_idle;

  // ---- control ------------------------------------------------------------------------------------------------------
  logic [2:0] rd_beats;
  always_comb begin
    rd_beats = '0;
    for (int p = 0; p < PORTS; p++) rd_beats += {2'b0, m_axi_rvalid_i[p] & m_axi_rready_o[p]};
  end

  msq_axil_ctrl #(
    .P(P), .F(F), .S(S), .Q(Q), .BANKS(BANKS), .DEPTH(DEPTH), .WDEPTH(WDEPTH), .PORTS(PORTS),
    .LOADS(LOADS), .VECS(VECS), .BUILD_ID(BUILD_ID)
  ) u_ctrl (
    .clk_i, .rst_ni,
    .s_awvalid_i(s_axi_awvalid_i), .s_awready_o(s_axi_awready_o), .s_awaddr_i(s_axi_awaddr_i),
    .s_wvalid_i(s_axi_wvalid_i), .s_wready_o(s_axi_wready_o), .s_wdata_i(s_axi_wdata_i), .s_wstrb_i(s_axi_wstrb_i),
    .s_bvalid_o(s_axi_bvalid_o), .s_bready_i(s_axi_bready_i), .s_bresp_o(s_axi_bresp_o),
    .s_arvalid_i(s_axi_arvalid_i), .s_arready_o(s_axi_arready_o), .s_araddr_i(s_axi_araddr_i),
    .s_rvalid_o(s_axi_rvalid_o), .s_rready_i(s_axi_rready_i), .s_rdata_o(s_axi_rdata_o), .s_rresp_o(s_axi_rresp_o),
    .interrupt_o,
    .start_o(start), .prog_addr_o(prog_addr), .win_base_o(win_base), .win_size_o(win_size),
    .watchdog_limit_o(watchdog_limit), .done_i(done), .error_valid_i(error_valid), .error_code_i(error_code),
    .error_index_i(error_index),
    .step_i(step), .dsp_busy_i(step & dsp_used), .lut_busy_i(step & lut_used), .stall_weights_i(stall_weights),
    .stall_drain_i(stall_drain), .stall_bank_i(stall_bank), .rd_beats_i(rd_beats),
    .wr_beat_i(m_axi_wvalid_o & m_axi_wready_i), .unit_done_i(unit_done)
  );

  // ---- instructions -------------------------------------------------------------------------------------------------
  logic        fetch_req_valid, fetch_req_ready, fetch_data_valid;
  logic [47:0] fetch_req_addr;
  logic [4:0]  fetch_req_beats;
  logic [63:0] port0_data;

  msq_fetch u_fetch (
    .clk_i, .rst_ni,
    .start_i(start), .prog_addr_i(prog_addr), .watchdog_limit_i(watchdog_limit), .clear_o(clear), .busy_o(unused_busy),
    .done_o(done), .error_valid_o(error_valid), .error_code_o(error_code), .error_index_o(error_index),
    .req_valid_o(fetch_req_valid), .req_ready_i(fetch_req_ready), .req_addr_o(fetch_req_addr),
    .req_beats_o(fetch_req_beats), .data_valid_i(fetch_data_valid), .data_i(port0_data),
    .cmd_valid_o(cmd_valid), .cmd_ready_i(cmd_ready), .cmd_instr_o(cmd_instr), .unit_done_i(unit_done),
    .unit_idle_i(unit_idle), .abort_o(abort),
    .axi_idle_i(rd_idle & wr_idle), .illegal_i(|unit_error), .act_range_i(act_range),
    .dram_range_i(rd_range | wr_range), .axi_error_i(rd_error | wr_error), .activity_i(b_activity | step | (|rd_beats))
  );
  assign trace_done_o = unit_done;

  // ---- DRAM ---------------------------------------------------------------------------------------------------------
  // Each port serves the weights first; port 0 also instructions, the last LOADS ports also an engine of LOAD each.
  logic [PORTS-1:0]    wgt_req_valid, wgt_req_ready, wgt_data_valid;
  logic [PORTS*48-1:0] wgt_req_addr;
  logic [PORTS*5-1:0]  wgt_req_beats;
  logic [PORTS*64-1:0] port_data;
  logic [PORTS-1:0]    port_error, port_range, port_idle;

  logic [LOADS-1:0]    load_req_valid, load_req_ready, load_data_valid;
  logic [LOADS*48-1:0] load_req_addr;
  logic [LOADS*5-1:0]  load_req_beats;

  for (genvar p = 0; p < PORTS; p++) begin : gen_port
    logic [2:0]  valid, ready, data_valid;
    logic [47:0] fetch_addr, load_addr;
    logic [4:0]  fetch_beats, load_beats;
    logic        unused_last;

    assign valid[0] = p == 0 ? fetch_req_valid : 1'b0;
    assign valid[1] = wgt_req_valid[p];
    assign fetch_addr  = fetch_req_addr;
    assign fetch_beats = fetch_req_beats;
    assign wgt_req_ready[p]  = ready[1];
    assign wgt_data_valid[p] = data_valid[1];

    msq_axi_rd #(.CLIENTS(3)) u_rd (
      .clk_i, .rst_ni, .win_base_i(win_base), .win_size_i(win_size),
      .req_valid_i(valid), .req_ready_o(ready),
      .req_addr_i({load_addr, wgt_req_addr[p*48+:48], fetch_addr}),
      .req_beats_i({load_beats, wgt_req_beats[p*5+:5], fetch_beats}),
      .data_valid_o(data_valid), .data_o(port_data[p*64+:64]), .data_last_o(unused_last),
      .err_o(port_error[p]), .range_err_o(port_range[p]), .idle_o(port_idle[p]),
      .m_arvalid_o(m_axi_arvalid_o[p]), .m_arready_i(m_axi_arready_i[p]), .m_araddr_o(m_axi_araddr_o[p*48+:48]),
      .m_arlen_o(m_axi_arlen_o[p*8+:8]), .m_arsize_o(m_axi_arsize_o[p*3+:3]), .m_arburst_o(m_axi_arburst_o[p*2+:2]),
      .m_rvalid_i(m_axi_rvalid_i[p]), .m_rready_o(m_axi_rready_o[p]), .m_rdata_i(m_axi_rdata_i[p*64+:64]),
      .m_rresp_i(m_axi_rresp_i[p*2+:2]), .m_rlast_i(m_axi_rlast_i[p])
    );

    if (p == 0) begin : gen_fetch
      assign fetch_req_ready  = ready[0];
      assign fetch_data_valid = data_valid[0];
    end else begin : gen_no_fetch
      logic unused_fetch;
      assign unused_fetch = ready[0] ^ data_valid[0];
    end
    if (p >= PORTS - LOADS) begin : gen_load
      localparam int L = PORTS - 1 - p;
      assign valid[2]           = load_req_valid[L];
      assign load_addr          = load_req_addr[L*48+:48];
      assign load_beats         = load_req_beats[L*5+:5];
      assign load_req_ready[L]  = ready[2];
      assign load_data_valid[L] = data_valid[2];
    end else begin : gen_no_load
      logic unused_load;
      assign valid[2]    = 1'b0;
      assign load_addr   = '0;
      assign load_beats  = '0;
      assign unused_load = ready[2] ^ data_valid[2];
    end
  end
  assign port0_data = port_data[63:0];
  assign rd_error = |port_error;
  assign rd_range = |port_range;
  assign rd_idle  = &port_idle;

  logic        store_req_valid, store_req_ready, store_wdata_valid, store_wdata_ready;
  logic [47:0] store_req_addr;
  logic [4:0]  store_req_beats;
  logic [63:0] store_wdata;

  msq_axi_wr u_wr (
    .clk_i, .rst_ni, .win_base_i(win_base), .win_size_i(win_size),
    .req_valid_i(store_req_valid), .req_ready_o(store_req_ready), .req_addr_i(store_req_addr),
    .req_beats_i(store_req_beats), .wdata_valid_i(store_wdata_valid), .wdata_ready_o(store_wdata_ready),
    .wdata_i(store_wdata), .err_o(wr_error), .range_err_o(wr_range), .idle_o(wr_idle),
    .m_awvalid_o(m_axi_awvalid_o), .m_awready_i(m_axi_awready_i), .m_awaddr_o(m_axi_awaddr_o),
    .m_awlen_o(m_axi_awlen_o), .m_awsize_o(m_axi_awsize_o), .m_awburst_o(m_axi_awburst_o),
    .m_wvalid_o(m_axi_wvalid_o), .m_wready_i(m_axi_wready_i), .m_wdata_o(m_axi_wdata_o), .m_wstrb_o(m_axi_wstrb_o),
    .m_wlast_o(m_axi_wlast_o), .m_bvalid_i(m_axi_bvalid_i), .m_bready_o(m_axi_bready_o), .m_bresp_i(m_axi_bresp_i)
  );

  // ---- activation memory --------------------------------------------------------------------------------------------
  logic [BANKS-1:0]    a_en;
  logic [BANKS*20-1:0] a_row;
  logic [BANKS*64-1:0] a_data;
  logic [NW-1:0]       dw_valid, dw_ready, sr_valid, sr_ready, sr_rvalid;
  logic [NW*24-1:0]    dw_addr, sr_addr;
  logic [NW*64-1:0]    dw_data, sr_rdata;
  logic [NW*2-1:0]     dw_mask;
  logic                st_valid, st_ready, st_rvalid;
  logic [23:0]         st_addr;
  logic [63:0]         st_rdata;
  logic [LOADS-1:0]    lw_valid, lw_ready;
  logic [LOADS*24-1:0] lw_addr;
  logic [LOADS*64-1:0] lw_data;
  logic [VECS-1:0]     vr_valid, vr_ready, vr_rvalid, vw_valid, vw_ready;
  logic [VECS*24-1:0]  vr_addr, vw_addr;
  logic [VECS*64-1:0]  vr_rdata, vw_data;

  msq_act_mem #(.BANKS(BANKS), .DEPTH(DEPTH), .NW(NW), .NL(LOADS), .NV(VECS)) u_act_mem (
    .clk_i, .rst_ni,
    .a_en_i(a_en), .a_row_i(a_row), .a_data_o(a_data),
    .dw_valid_i(dw_valid), .dw_ready_o(dw_ready), .dw_addr_i(dw_addr), .dw_data_i(dw_data), .dw_mask_i(dw_mask),
    .sr_valid_i(sr_valid), .sr_ready_o(sr_ready), .sr_addr_i(sr_addr), .sr_rvalid_o(sr_rvalid), .sr_rdata_o(sr_rdata),
    .lw_valid_i(lw_valid), .lw_ready_o(lw_ready), .lw_addr_i(lw_addr), .lw_data_i(lw_data),
    .st_valid_i(st_valid), .st_ready_o(st_ready), .st_addr_i(st_addr), .st_rvalid_o(st_rvalid), .st_rdata_o(st_rdata),
    .vr_valid_i(vr_valid), .vr_ready_o(vr_ready), .vr_addr_i(vr_addr), .vr_rvalid_o(vr_rvalid), .vr_rdata_o(vr_rdata),
    .vw_valid_i(vw_valid), .vw_ready_o(vw_ready), .vw_addr_i(vw_addr), .vw_data_i(vw_data),
    .range_err_o(act_range), .b_activity_o(b_activity)
  );

  logic [LOADS-1:0] load_valid, load_ready, load_done, load_error, load_idle;

  msq_team #(.N(LOADS)) u_loads (
    .clk_i, .rst_ni, .clear_i(clear), .abort_i(abort), .cmd_valid_i(cmd_valid[LOAD]), .cmd_ready_o(cmd_ready[LOAD]),
    .done_o(unit_done[LOAD]), .idle_o(unit_idle[LOAD]),
    .engine_valid_o(load_valid), .engine_ready_i(load_ready), .engine_done_i(load_done), .engine_idle_i(load_idle)
  );
  assign unit_error[LOAD] = |load_error;

  for (genvar l = 0; l < LOADS; l++) begin : gen_load_engine
    msq_load #(.BANKS(BANKS)) u_load (
      .clk_i, .rst_ni, .cmd_valid_i(load_valid[l]), .cmd_ready_o(load_ready[l]),
      .cmd_instr_i(cmd_instr[LOAD*1024+:1024]), .done_o(load_done[l]), .error_o(load_error[l]), .abort_i(abort),
      .idle_o(load_idle[l]),
      .req_valid_o(load_req_valid[l]), .req_ready_i(load_req_ready[l]), .req_addr_o(load_req_addr[l*48+:48]),
      .req_beats_o(load_req_beats[l*5+:5]), .data_valid_i(load_data_valid[l]),
      .data_i(port_data[(PORTS-1-l)*64+:64]),
      .lw_valid_o(lw_valid[l]), .lw_ready_i(lw_ready[l]), .lw_addr_o(lw_addr[l*24+:24]), .lw_data_o(lw_data[l*64+:64])
    );
  end

  msq_store #(.BANKS(BANKS)) u_store (
    .clk_i, .rst_ni, .cmd_valid_i(cmd_valid[STORE]), .cmd_ready_o(cmd_ready[STORE]),
    .cmd_instr_i(cmd_instr[STORE*1024+:1024]), .done_o(unit_done[STORE]), .error_o(unit_error[STORE]), .abort_i(abort),
    .idle_o(unit_idle[STORE]),
    .req_valid_o(store_req_valid), .req_ready_i(store_req_ready), .req_addr_o(store_req_addr),
    .req_beats_o(store_req_beats), .wdata_valid_o(store_wdata_valid), .wdata_ready_i(store_wdata_ready),
    .wdata_o(store_wdata), .wr_idle_i(wr_idle),
    .st_valid_o(st_valid), .st_ready_i(st_ready), .st_addr_o(st_addr), .st_rvalid_i(st_rvalid), .st_rdata_i(st_rdata)
  );

  logic [VECS-1:0] vec_valid, vec_ready, vec_done, vec_error, vec_idle;

  msq_team #(.N(VECS)) u_vecs (
    .clk_i, .rst_ni, .clear_i(clear), .abort_i(abort), .cmd_valid_i(cmd_valid[VEC]), .cmd_ready_o(cmd_ready[VEC]),
    .done_o(unit_done[VEC]), .idle_o(unit_idle[VEC]),
    .engine_valid_o(vec_valid), .engine_ready_i(vec_ready), .engine_done_i(vec_done), .engine_idle_i(vec_idle)
  );
  assign unit_error[VEC] = |vec_error;

  for (genvar v = 0; v < VECS; v++) begin : gen_vec_engine
    msq_vec #(.BANKS(BANKS)) u_vec (
      .clk_i, .rst_ni, .cmd_valid_i(vec_valid[v]), .cmd_ready_o(vec_ready[v]),
      .cmd_instr_i(cmd_instr[VEC*1024+:1024]), .done_o(vec_done[v]), .error_o(vec_error[v]), .abort_i(abort),
      .idle_o(vec_idle[v]),
      .vr_valid_o(vr_valid[v]), .vr_ready_i(vr_ready[v]), .vr_addr_o(vr_addr[v*24+:24]), .vr_rvalid_i(vr_rvalid[v]),
      .vr_rdata_i(vr_rdata[v*64+:64]),
      .vw_valid_o(vw_valid[v]), .vw_ready_i(vw_ready[v]), .vw_addr_o(vw_addr[v*24+:24]), .vw_data_o(vw_data[v*64+:64])
    );
  end

  // ---- weights, array, drain ----------------------------------------------------------------------------------------
  logic [15:0]         rows_avail, rd_row, release_rows;
  logic                rd_en, release_valid;
  logic [F/2*160-1:0]  wf;
  logic [S*64-1:0]     ws;
  logic                param_req, param_leaky, tile_drained, conv_tile_end;
  logic [3:0]          param_group;
  logic [Q*128-1:0]    param_data;

  msq_wgt #(.F(F), .S(S), .PORTS(PORTS), .WDEPTH(WDEPTH), .Q(Q)) u_wgt (
    .clk_i, .rst_ni, .clear_i(clear), .cmd_valid_i(cmd_valid[WEIGHTS]), .cmd_ready_o(cmd_ready[WEIGHTS]),
    .cmd_instr_i(cmd_instr[WEIGHTS*1024+:1024]), .done_o(unit_done[WEIGHTS]), .error_o(unit_error[WEIGHTS]),
    .abort_i(abort), .idle_o(unit_idle[WEIGHTS]),
    .req_valid_o(wgt_req_valid), .req_ready_i(wgt_req_ready), .req_addr_o(wgt_req_addr), .req_beats_o(wgt_req_beats),
    .data_valid_i(wgt_data_valid), .data_i(port_data),
    .rows_avail_o(rows_avail), .rd_en_i(rd_en), .rd_row_i(rd_row), .release_i(release_valid),
    .release_rows_i(release_rows), .wf_o(wf), .ws_o(ws),
    .param_req_i(param_req), .param_group_i(param_group), .param_leaky_i(param_leaky), .param_data_o(param_data),
    .tile_drained_i(tile_drained), .conv_tile_end_i(conv_tile_end), .dsp_used_o(dsp_used), .lut_used_o(lut_used)
  );

  // CONV and the drain take an instruction together; the drain completes it.
  logic            conv_ready, drain_ready, conv_cmd, conv_idle, drain_idle, drain_done, drain_credit;
  logic            unused_drain_start;
  logic [P*64-1:0] act;
  logic            vld, first, last, out_valid;
  logic [3:0]      last_px;
  logic [4:0]      last_grp;
  logic [Q*24-1:0] out_data;

  assign conv_cmd         = cmd_valid[CONV] & conv_ready & drain_ready;
  assign cmd_ready[CONV]  = conv_ready & drain_ready;
  assign unit_done[CONV]  = drain_done;
  assign unit_idle[CONV]  = conv_idle & drain_idle;

  msq_conv #(.P(P), .O(O), .Q(Q), .BANKS(BANKS)) u_conv (
    .clk_i, .rst_ni, .cmd_valid_i(conv_cmd), .cmd_ready_o(conv_ready), .cmd_instr_i(cmd_instr[CONV*1024+:1024]),
    .error_o(unit_error[CONV]), .clear_i(clear), .abort_i(abort), .idle_o(conv_idle),
    .drain_start_o(unused_drain_start), .drain_done_i(drain_done), .drain_credit_i(drain_credit),
    .a_en_o(a_en), .a_row_o(a_row), .a_data_i(a_data),
    .rows_avail_i(rows_avail), .rd_en_o(rd_en), .rd_row_o(rd_row), .release_o(release_valid),
    .release_rows_o(release_rows),
    .act_o(act), .vld_o(vld), .first_o(first), .last_o(last), .last_px_o(last_px), .last_grp_o(last_grp),
    .step_o(step), .tile_end_o(conv_tile_end), .stall_weights_o(stall_weights), .stall_drain_o(stall_drain),
    .stall_bank_o(stall_bank)
  );

  msq_gemm #(.P(P), .F(F), .S(S), .Q(Q), .XC7_PRIMS(XC7_PRIMS)) u_gemm (
    .clk_i, .rst_ni, .vld_i(vld), .first_i(first), .last_i(last), .last_px_i(last_px), .last_grp_i(last_grp),
    .act_i(act), .wf_i(wf), .ws_i(ws), .out_valid_o(out_valid), .out_data_o(out_data)
  );

  msq_drain #(.P(P), .O(O), .Q(Q), .BANKS(BANKS)) u_drain (
    .clk_i, .rst_ni, .cmd_valid_i(conv_cmd), .cmd_ready_o(drain_ready), .cmd_instr_i(cmd_instr[CONV*1024+:1024]),
    .abort_i(abort), .idle_o(drain_idle), .done_o(drain_done),
    .out_valid_i(out_valid), .out_data_i(out_data), .credit_o(drain_credit),
    .param_req_o(param_req), .param_group_o(param_group), .param_leaky_o(param_leaky), .param_data_i(param_data),
    .tile_drained_o(tile_drained),
    .sr_valid_o(sr_valid), .sr_ready_i(sr_ready), .sr_addr_o(sr_addr), .sr_rvalid_i(sr_rvalid), .sr_rdata_i(sr_rdata),
    .dw_valid_o(dw_valid), .dw_ready_i(dw_ready), .dw_addr_o(dw_addr), .dw_data_o(dw_data), .dw_mask_o(dw_mask)
  );
endmodule
