// The WEIGHTS unit: streams tiles from all ports into the weight ring and the parameter memory, ahead of CONV.
//
// Two instructions may be inside: the bursts of the second follow those of the first without a gap, as far as the ring
// (WDEPTH rows) and the parameters (2^TB tiles) have room. cmd_ready_o while fewer than two are inside; done_o pulses
// when all beats of the older one are in the memories. error_o pulses instead, and the instruction is dropped, when a
// count of it is none that there is or a stream is not aligned. Each port takes a beat a cycle, except that ports take
// turns writing parameters.
//
// To CONV: rows_avail_o rows, counted from the head of the ring, are complete (all ports). rd_en_i with rd_row_i
// (counted from the head, below rows_avail_o): wf_o two cycles later, ws_o five cycles later. release_i moves the head
// on by release_rows_i rows from the next cycle on; reads up to and including that cycle count from the old head, and
// the rows stay until these have been served.
//   wf_o[(pair*16 + n)*10 +: 10]: {hi5, lo5} of DSP lanes 2*pair and 2*pair + 1, decoded (see msq_wgt_decode)
//   ws_o[(lane*16 + n)*4 +: 4]: the SP2 code of LUT lane `lane`
// Beats of a row come in the order of msq_lane_pkg's positions.
// To the drain: param_req_i with group and leaky: param_data_o two cycles later (see msq_wgt_params), of the oldest
// tile not drained; tile_drained_i gives that tile up.
// For counters: conv_tile_end_i, the last step of a tile was issued; dsp_used_o, lut_used_o: see msq_wgt_used.
// clear_i (a pulse, while idle) forgets all rows and parameters: the beginning of a program. abort_i (a level) does so
// too, asks for nothing more and drops what still comes; idle_o when nothing is under way.
module msq_wgt #(
  parameter int F      = 6,
  parameter int S      = 10,
  parameter int PORTS  = 1,
  parameter int WDEPTH = 512,  // a power of two
  parameter int Q      = 16,
  parameter int BUFFER = 128   // beats a port
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                clear_i,
  input  logic                cmd_valid_i,
  output logic                cmd_ready_o,
  input  logic [1023:0]       cmd_instr_i,
  output logic                done_o,
  output logic                error_o,
  input  logic                abort_i,
  output logic                idle_o,

  output logic [PORTS-1:0]    req_valid_o,
  input  logic [PORTS-1:0]    req_ready_i,
  output logic [PORTS*48-1:0] req_addr_o,
  output logic [PORTS*5-1:0]  req_beats_o,
  input  logic [PORTS-1:0]    data_valid_i,
  input  logic [PORTS*64-1:0] data_i,

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

  input  logic                conv_tile_end_i,
  output logic                dsp_used_o,
  output logic                lut_used_o
);
  localparam int O     = F + S;
  localparam int LANES = O / PORTS;
  localparam int LW    = $clog2(LANES);
  localparam int OW    = $clog2(O);
  localparam int RW    = $clog2(WDEPTH);
  // Tiles whose parameters there is room for: what 32 words of LUT memory a bit hold, two at least.
  localparam int GW    = O / Q > 1 ? $clog2(O / Q) : 1;
  localparam int TB    = GW < 4 ? 4 - GW : 1;

  logic forget;
  logic unused_fields, unused_rows;

  assign forget        = clear_i || abort_i;
  assign unused_fields = ^cmd_instr_i;
  assign unused_rows   = ^{rd_row_i, release_rows_i};

  // Instructions: numbered modulo 4, number n in entry n modulo 2.
  logic [1:0]       issued_q, finished_q;
  logic [2*PORTS-1:0] sunk;
  logic [PORTS-1:0] port_past, port_idle;
  logic             take, illegal, finish;
  logic [3:0]       done_q;
  logic [47:0]      dram_q [2];
  logic [31:0]      stride_q [2];
  logic [15:0]      tiles_q [2];
  logic [2:0]       param_rows_q [2];
  logic [15:0]      rows_q [2];
  logic             diagonal_q [2];

  assign cmd_ready_o = 2'(issued_q - finished_q) < 2'd2 && !forget && !error_o;
  assign take        = cmd_valid_i && cmd_ready_o;
  assign illegal     = cmd_instr_i[msq_isa::WEIGHTS_TILES_LSB+:16] == '0 ||
                       cmd_instr_i[msq_isa::WEIGHTS_WEIGHT_ROWS_LSB+:16] == '0 ||
                       (cmd_instr_i[msq_isa::WEIGHTS_PARAM_ROWS_LSB+:3] != 3'd2 &&
                        cmd_instr_i[msq_isa::WEIGHTS_PARAM_ROWS_LSB+:3] != 3'd4) ||
                       (cmd_instr_i[msq_isa::WEIGHTS_DIAGONAL_LSB] && LANES % 16 != 0) ||
                       cmd_instr_i[msq_isa::WEIGHTS_DRAM_LSB+:7] != '0 ||
                       cmd_instr_i[msq_isa::WEIGHTS_PORT_STRIDE_LSB+:7] != '0;
  assign finish      = &port_past;

  always_comb begin
    for (int p = 0; p < PORTS; p++) port_past[p] = sunk[p*2+:2] != finished_q;
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      dram_q[issued_q[0]]       <= cmd_instr_i[msq_isa::WEIGHTS_DRAM_LSB+:48];
      stride_q[issued_q[0]]     <= cmd_instr_i[msq_isa::WEIGHTS_PORT_STRIDE_LSB+:32];
      tiles_q[issued_q[0]]      <= cmd_instr_i[msq_isa::WEIGHTS_TILES_LSB+:16];
      param_rows_q[issued_q[0]] <= cmd_instr_i[msq_isa::WEIGHTS_PARAM_ROWS_LSB+:3];
      rows_q[issued_q[0]]       <= cmd_instr_i[msq_isa::WEIGHTS_WEIGHT_ROWS_LSB+:16];
      diagonal_q[issued_q[0]]   <= cmd_instr_i[msq_isa::WEIGHTS_DIAGONAL_LSB];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget) begin
      issued_q   <= '0;
      finished_q <= '0;
      done_q     <= '0;
    end else begin
      issued_q   <= issued_q + 2'(take && !illegal);
      finished_q <= finished_q + 2'(finish);
      done_q     <= {done_q[2:0], finish};  // the last beats are still on their way to the memories
    end
    error_o <= rst_ni && take && illegal;
  end

  assign done_o = done_q[3];
  assign idle_o = issued_q == finished_q && done_q == '0 && &port_idle && !error_o;

  // The ring: the head as reads see it, the rows behind it that are complete, and, four cycles late, as writes see it.
  logic [RW:0]           head_q, complete_q, moved;
  logic [RW:0]           avail_q;
  logic [4*(RW+1)-1:0]   head_late_q;
  logic [PORTS*(RW+1)-1:0] written;
  logic [PORTS-1:0]      port_ahead;
  logic                  row_complete;

  always_comb begin
    for (int p = 0; p < PORTS; p++) port_ahead[p] = written[p*(RW+1)+:RW+1] != complete_q;
  end
  assign row_complete = &port_ahead;
  assign moved        = release_i ? release_rows_i[RW:0] : '0;
  assign rows_avail_o = 16'(avail_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget) begin
      head_q      <= '0;
      head_late_q <= '0;
      complete_q  <= '0;
      avail_q     <= '0;
    end else begin
      head_q      <= head_q + moved;
      head_late_q <= {head_late_q[3*(RW+1)-1:0], head_q};
      complete_q  <= complete_q + (RW + 1)'(row_complete);
      avail_q     <= avail_q + (RW + 1)'(row_complete) - moved;
    end
  end

  // Reads: LUT lanes three cycles after DSP lanes.
  logic [RW-1:0]   read_slot;
  logic [2:0]      read_q;
  logic [3*RW-1:0] read_slot_q;

  assign read_slot = head_q[RW-1:0] + rd_row_i[RW-1:0];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) read_q <= '0;
    else read_q <= {read_q[1:0], rd_en_i};
    read_slot_q <= {read_slot_q[2*RW-1:0], read_slot};
  end

  // Ports. Of those that have a parameter to write, the first writes.
  logic [PORTS-1:0]     param_req, param_grant, param_valid;
  logic [PORTS*TB-1:0]  param_tile;
  logic [2*PORTS-1:0]   param_row;
  logic [PORTS-1:0]     lane_valid, pair_valid, diagonal, pair_diagonal;
  logic [PORTS*80-1:0]  diagonal_weights;
  logic [PORTS*LW-1:0]  lane, pair_lane;
  logic [PORTS*64-1:0]  lane_data;
  logic [PORTS*RW-1:0]  slot, pair_slot;
  logic [PORTS*160-1:0] pair;
  logic [TB:0]          drained_q;
  logic                 unused_lanes;

  assign unused_lanes = ^{slot, pair_lane, pair_slot, pair, pair_diagonal, diagonal_weights};  // a port may have DSP lanes only, or none
  assign req_beats_o = {PORTS{5'd16}};

  for (genvar p = 0; p < PORTS; p++) begin : gen_port
    logic       entry;
    logic [1:0] port_sunk;

    if (p == 0) begin : gen_first
      assign param_grant[p] = param_req[p];
    end else begin : gen_later
      assign param_grant[p] = param_req[p] && param_req[p-1:0] == '0;
    end
    assign sunk[p*2+:2] = port_sunk;

    msq_wgt_port #(
      .F(F), .S(S), .LANES(LANES), .PORT(p), .WDEPTH(WDEPTH), .TB(TB), .BUFFER(BUFFER)
    ) u_port (
      .clk_i, .rst_ni, .forget_i(forget), .idle_o(port_idle[p]),
      .issued_i(issued_q), .sunk_o(port_sunk), .asked_entry_o(entry),
      .asked_dram_i(dram_q[entry]), .asked_stride_i(stride_q[entry]), .asked_tiles_i(tiles_q[entry]),
      .asked_param_rows_i(param_rows_q[entry]), .asked_rows_i(rows_q[entry]), .asked_diagonal_i(diagonal_q[entry]),
      .sunk_tiles_i(tiles_q[port_sunk[0]]), .sunk_param_rows_i(param_rows_q[port_sunk[0]]),
      .sunk_rows_i(rows_q[port_sunk[0]]), .sunk_diagonal_i(diagonal_q[port_sunk[0]]),
      .req_valid_o(req_valid_o[p]), .req_ready_i(req_ready_i[p]), .req_addr_o(req_addr_o[p*48+:48]),
      .data_valid_i(data_valid_i[p]), .data_i(data_i[p*64+:64]),
      .drained_i(drained_q), .param_req_o(param_req[p]), .param_grant_i(param_grant[p]), .param_valid_o(param_valid[p]),
      .param_row_o(param_row[p*2+:2]), .param_tile_o(param_tile[p*TB+:TB]),
      .free_i(head_late_q[3*(RW+1)+:RW+1]), .written_o(written[p*(RW+1)+:RW+1]),
      .lane_valid_o(lane_valid[p]), .diagonal_o(diagonal[p]), .lane_o(lane[p*LW+:LW]), .data_o(lane_data[p*64+:64]), .slot_o(slot[p*RW+:RW]),
      .pair_valid_o(pair_valid[p]), .pair_diagonal_o(pair_diagonal[p]), .pair_lane_o(pair_lane[p*LW+:LW]), .pair_slot_o(pair_slot[p*RW+:RW]),
      .pair_o(pair[p*160+:160]), .diagonal_weights_o(diagonal_weights[p*80+:80])
    );
  end

  // A diagonal row: lanes share the beat, and each keeps the code of its own number in the group of 16.
  for (genvar i = 0; i < F / 2; i++) begin : gen_pair
    localparam int ODD = msq_lane_pkg::dsp_position(F, S, 2 * i + 1);
    localparam int PORT = ODD / LANES;
    localparam int LANE = ODD % LANES;
    localparam int N = (LANE - 1) % 16;
    logic         here;
    logic [4:0]   low, high;
    logic [159:0] fields;

    assign here = pair_diagonal[PORT] ? (pair_lane[PORT*LW+:LW] | LW'(15)) == LW'(LANE | 15)
                                      : pair_lane[PORT*LW+:LW] == LW'(LANE);
    assign low  = diagonal_weights[PORT*80+N*5+:5];
    assign high = diagonal_weights[PORT*80+(N+1)*5+:5];
    for (genvar n = 0; n < 16; n++) begin : gen_field
      if (n == N) begin : gen_low
        assign fields[n*10+:10] = pair_diagonal[PORT] ? {{5{low[4]}}, low} : pair[PORT*160+n*10+:10];
      end else if (n == N + 1) begin : gen_high
        assign fields[n*10+:10] = pair_diagonal[PORT] ? {high, 5'b0} : pair[PORT*160+n*10+:10];
      end else begin : gen_other
        assign fields[n*10+:10] = pair_diagonal[PORT] ? '0 : pair[PORT*160+n*10+:10];
      end
    end
    msq_wgt_slice #(.WIDTH(160), .DEPTH(WDEPTH)) u_slice (
      .clk_i, .wen_i(pair_valid[PORT] && here),
      .waddr_i(pair_slot[PORT*RW+:RW]), .wdata_i(fields),
      .ren_i(rd_en_i), .raddr_i(read_slot), .rdata_o(wf_o[i*160+:160])
    );
  end

  for (genvar s = 0; s < S; s++) begin : gen_lane
    localparam int POSITION = msq_lane_pkg::lut_position(F, S, s);
    localparam int PORT = POSITION / LANES;
    localparam int LANE = POSITION % LANES;
    logic        here;
    logic [63:0] codes;

    assign here = diagonal[PORT] ? (lane[PORT*LW+:LW] | LW'(15)) == LW'(LANE | 15) : lane[PORT*LW+:LW] == LW'(LANE);
    for (genvar n = 0; n < 16; n++) begin : gen_code
      assign codes[n*4+:4] = diagonal[PORT] && n != LANE % 16 ? '0 : lane_data[PORT*64+n*4+:4];
    end
    msq_wgt_slice #(.WIDTH(64), .DEPTH(WDEPTH)) u_slice (
      .clk_i, .wen_i(lane_valid[PORT] && here),
      .waddr_i(slot[PORT*RW+:RW]), .wdata_i(codes),
      .ren_i(read_q[2]), .raddr_i(read_slot_q[2*RW+:RW]), .rdata_o(ws_o[s*64+:64])
    );
  end

  // Parameters: at most one port brings a word in a cycle.
  logic [OW-1:0] param_lane;
  logic [1:0]    param_word_row;
  logic [TB-1:0] param_word_tile;
  logic [63:0]   param_word;

  always_comb begin
    param_lane      = '0;
    param_word_row  = '0;
    param_word_tile = '0;
    param_word      = '0;
    for (int p = 0; p < PORTS; p++) begin
      if (param_valid[p]) begin
        param_lane      |= OW'(p * LANES) + OW'(lane[p*LW+:LW]);
        param_word_row  |= param_row[p*2+:2];
        param_word_tile |= param_tile[p*TB+:TB];
        param_word      |= lane_data[p*64+:64];
      end
    end
  end

  msq_wgt_params #(.O(O), .Q(Q), .TB(TB)) u_params (
    .clk_i, .wen_i(|param_valid), .lane_i(param_lane), .row_i(param_word_row), .tile_i(param_word_tile),
    .wdata_i(param_word), .req_i(param_req_i), .group_i(param_group_i), .leaky_i(param_leaky_i), .rtile_i(drained_q[TB-1:0]),
    .data_o(param_data_o)
  );

  msq_wgt_used #(.F(F), .S(S), .TB(TB)) u_used (
    .clk_i, .rst_ni, .forget_i(forget), .valid_i(|param_valid && param_word_row == '0), .lane_i(param_lane),
    .tile_i(param_word_tile), .multiplier_i(param_word[16:0]), .drained_i(tile_drained_i),
    .drained_tile_i(drained_q[TB-1:0]), .tile_end_i(conv_tile_end_i), .dsp_used_o, .lut_used_o
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget) drained_q <= '0;
    else drained_q <= drained_q + (TB + 1)'(tile_drained_i);
  end

`ifndef SYNTHESIS
  initial begin
    if (O % PORTS != 0 || LANES % 2 != 0 || F % 2 != 0 || msq_lane_pkg::period_dsp(F, S) % 2 != 0)
      $fatal(1, "msq_wgt: pairs of lanes must not straddle ports");
    if (2 ** RW != WDEPTH) $fatal(1, "msq_wgt: WDEPTH is no power of two");
  end
  always_ff @(posedge clk_i) begin
    if (rst_ni && !forget) begin
      assert (!rd_en_i || rd_row_i < rows_avail_o) else $error("msq_wgt: a row is read that is not there");
      assert (!release_i || release_rows_i <= rows_avail_o) else $error("msq_wgt: a row is released that is not there");
    end
  end
`endif
endmodule
