// One port's share of the WEIGHTS unit: asks for its stream, buffers it, and takes it apart into the beats of LANES
// lanes, positions PORT * LANES.. of a tile.
//
// Instructions are numbered modulo 4: this port works on number asked_q (requests) and sunk_o (beats), behind issued_i.
// Parameters: param_req_o while the beat at the head is a parameter that may be written; in a cycle with param_grant_i
// it is taken, and param_valid_o with the rest comes in the next cycle. A tile's parameters wait while the 2^TB
// tiles before it have theirs, its weights while the ring of WDEPTH rows is full (free_i: rows whose slots are free again,
// counted like written_o modulo 2 * WDEPTH).
// Weights: lane_valid_o with lane, slot and data for LUT lanes, one cycle after the beat was taken; pair_valid_o one
// more cycle later. With diagonal_o the beat is for the 16 lanes from lane_o on, code n for lane n; of pairs
// diagonal_weights_o then has the decoded codes of DSP lanes (others: 0), pair_o nothing. written_o counts the rows that
// are in the memories.
module msq_wgt_port #(
  parameter int F      = 6,
  parameter int S      = 10,
  parameter int LANES  = 16,
  parameter int PORT   = 0,
  parameter int WDEPTH = 512,
  parameter int TB     = 1,
  parameter int BUFFER = 128  // beats; a power of two, at least 64
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      forget_i,  // what is under way is taken in and dropped, all counts begin at 0
  output logic                      idle_o,

  input  logic [1:0]                issued_i,
  output logic [1:0]                sunk_o,
  output logic                      asked_entry_o,  // which of the two entries the requests need
  input  logic [47:0]               asked_dram_i,
  input  logic [31:0]               asked_stride_i,
  input  logic [15:0]               asked_tiles_i,
  input  logic [2:0]                asked_param_rows_i,
  input  logic [15:0]               asked_rows_i,
  input  logic                      asked_diagonal_i,
  input  logic [15:0]               sunk_tiles_i,
  input  logic [2:0]                sunk_param_rows_i,
  input  logic [15:0]               sunk_rows_i,
  input  logic                      sunk_diagonal_i,

  output logic                      req_valid_o,
  input  logic                      req_ready_i,
  output logic [47:0]               req_addr_o,
  input  logic                      data_valid_i,
  input  logic [63:0]               data_i,

  input  logic [TB:0]               drained_i,  // tiles, modulo 2^(TB+1)
  output logic                      param_req_o,
  input  logic                      param_grant_i,
  output logic                      param_valid_o,
  output logic [1:0]                param_row_o,
  output logic [TB-1:0]             param_tile_o,

  input  logic [$clog2(WDEPTH):0]   free_i,
  output logic [$clog2(WDEPTH):0]   written_o,
  output logic                      lane_valid_o,
  output logic                      diagonal_o,
  output logic [$clog2(LANES)-1:0]  lane_o,
  output logic [63:0]               data_o,
  output logic [$clog2(WDEPTH)-1:0] slot_o,
  output logic                      pair_valid_o,
  output logic                      pair_diagonal_o,
  output logic [$clog2(LANES)-1:0]  pair_lane_o,  // the odd one
  output logic [$clog2(WDEPTH)-1:0] pair_slot_o,
  output logic [159:0]              pair_o,
  output logic [79:0]               diagonal_weights_o
);
  localparam int LW = $clog2(LANES);
  localparam int RW = $clog2(WDEPTH);
  localparam int BW = $clog2(BUFFER) + 1;
  localparam int LAST_GROUP = LANES % 16 == 0 ? LANES - 16 : 0;

  typedef enum logic [1:0] {StIdle, StRun, StTail} state_e;
  state_e state_q;

  // Requests.
  logic [1:0]    asked_q, sunk_q;
  logic [BW-1:0] used_q, due_q;  // beats in the buffer or asked for; beats asked for
  logic          asked_all, accepted, room;
  logic          head_valid, pop;
  logic [63:0]   head;

  assign asked_entry_o = asked_q[0];
  assign accepted      = req_valid_o && req_ready_i;
  assign room          = used_q <= BW'(BUFFER - 16);

  msq_wgt_requests #(.LANES(LANES), .PORT(PORT)) u_requests (
    .clk_i, .rst_ni, .stop_i(forget_i), .work_i(asked_q != issued_i), .dram_i(asked_dram_i),
    .port_stride_i(asked_stride_i), .tiles_i(asked_tiles_i), .param_rows_i(asked_param_rows_i),
    .weight_rows_i(asked_rows_i), .diagonal_i(asked_diagonal_i), .done_o(asked_all), .room_i(room), .req_valid_o,
    .req_ready_i, .req_addr_o
  );

  msq_fifo #(.WIDTH(64), .DEPTH(BUFFER)) u_beats (
    .clk_i, .rst_ni, .clear_i(forget_i), .wr_valid_i(data_valid_i), .wr_data_i(data_i),
    .rd_valid_o(head_valid), .rd_ready_i(pop), .rd_data_o(head)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) due_q <= '0;
    else due_q <= due_q + (accepted ? BW'(16) : '0) - BW'(data_valid_i);
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget_i) begin
      asked_q <= '0;
      used_q  <= '0;
    end else begin
      asked_q <= asked_q + 2'(asked_all);
      used_q  <= used_q + (accepted ? BW'(16) : '0) - BW'(pop);
    end
  end

  // Beats.
  logic          load, param, last_row, last, row_end, param_room, ring_room;
  logic          diagonal;  // the row has a beat for 16 lanes
  logic [1:0]    param_row;
  logic [TB:0]   tile_q;
  logic [LW-1:0] lane_q;
  logic [3:0]    beat_q;
  logic [RW:0]   rows_q;  // weight rows begun to be written

  assign load = state_q == StIdle && sunk_q != issued_i;

  msq_wgt_walk u_walk (
    .clk_i, .load_i(load), .tiles_i(sunk_tiles_i), .param_rows_i(sunk_param_rows_i), .weight_rows_i(sunk_rows_i),
    .step_i(row_end), .param_o(param), .param_row_o(param_row), .last_row_o(last_row), .last_o(last)
  );

  assign param_room  = !(tile_q[TB] != drained_i[TB] && tile_q[TB-1:0] == drained_i[TB-1:0]);
  assign ring_room   = !(rows_q[RW] != free_i[RW] && rows_q[RW-1:0] == free_i[RW-1:0]);
  assign param_req_o = state_q == StRun && head_valid && param && param_room;
  assign diagonal    = sunk_diagonal_i && !param;
  assign row_end     = state_q == StRun && pop && lane_q == (diagonal ? LW'(LAST_GROUP) : LW'(LANES - 1));

  always_comb begin
    unique case (state_q)
      StRun: pop = param ? param_grant_i : head_valid && ring_room;
      StTail: pop = head_valid && beat_q != '0;  // what the last burst has beyond
      default: pop = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget_i) begin
      state_q <= StIdle;
      beat_q  <= '0;
      lane_q  <= '0;
      sunk_q  <= '0;
      tile_q  <= '0;
      rows_q  <= '0;
    end else begin
      if (pop) beat_q <= beat_q + 4'd1;
      if (state_q == StRun && pop) lane_q <= row_end ? '0 : lane_q + (diagonal ? LW'(16) : LW'(1));
      if (row_end && !param) rows_q <= rows_q + 1'b1;
      if (row_end && last_row) tile_q <= tile_q + 1'b1;
      unique case (state_q)
        StIdle: if (load) state_q <= StRun;
        StRun: if (row_end && last) state_q <= StTail;
        default: begin
          if (beat_q == '0) begin
            state_q <= StIdle;
            sunk_q  <= sunk_q + 2'd1;
          end
        end
      endcase
    end
  end

  // To the memories.
  logic taken, lane_last_q, row_end_q;

  assign taken = state_q == StRun && pop;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget_i) begin
      lane_valid_o  <= 1'b0;
      param_valid_o <= 1'b0;
      pair_valid_o  <= 1'b0;
      lane_last_q   <= 1'b0;
      row_end_q     <= 1'b0;
      written_o     <= '0;
    end else begin
      lane_valid_o  <= taken && !param;
      param_valid_o <= taken && param;
      pair_valid_o  <= lane_valid_o && (lane_o[0] || diagonal_o);
      lane_last_q   <= row_end && !param;
      row_end_q     <= lane_last_q;
      written_o     <= written_o + (RW + 1)'(row_end_q);
    end
  end

  always_ff @(posedge clk_i) begin
    data_o       <= head;
    lane_o       <= lane_q;
    diagonal_o   <= diagonal;
    slot_o       <= rows_q[RW-1:0];
    param_row_o  <= param_row;
    param_tile_o <= tile_q[TB-1:0];
    pair_lane_o  <= lane_o;
    pair_slot_o  <= slot_o;
    pair_diagonal_o <= diagonal_o;
  end

  // Which DSP lanes have SP2 codes in the tile whose weights come: row 1 of its parameters is before them. The port's
  // last lane may be asked for in the very cycle in which its bit is written, by a first beat for 16 lanes.
  localparam int DSP_LANES =
    msq_lane_pkg::dsp_before(F, S, (PORT + 1) * LANES) - msq_lane_pkg::dsp_before(F, S, PORT * LANES);

  if (DSP_LANES > 0) begin : gen_dsp_lanes
    logic [LANES-1:0] sp2;  // LUT lanes: 0
    logic             lane_sp2_q;

    for (genvar l = 0; l < LANES; l++) begin : gen_lane
      if (msq_lane_pkg::is_dsp(F, S, PORT * LANES + l) != 0) begin : gen_dsp
        logic sp2_q, write;
        assign write = param_valid_o && param_row_o == 2'd1 && lane_o == LW'(l);
        always_ff @(posedge clk_i) begin
          if (write) sp2_q <= data_o[47];
        end
        assign sp2[l] = l == LANES - 1 && write ? data_o[47] : sp2_q;
      end else begin : gen_lut
        assign sp2[l] = 1'b0;
      end
    end

    always_ff @(posedge clk_i) lane_sp2_q <= sp2[lane_q];

    msq_wgt_decode u_decode (
      .clk_i, .valid_i(lane_valid_o), .odd_i(lane_o[0]), .sp2_i(lane_sp2_q), .data_i(data_o), .pair_o
    );

    if (LANES % 16 == 0) begin : gen_diagonal
      for (genvar n = 0; n < 16; n++) begin : gen_weight
        if (msq_lane_pkg::is_dsp(F, S, PORT * LANES + n) != 0) begin : gen_dsp
          logic       code_sp2_q;
          logic [4:0] weight, weight_q;
          msq_wgt_code u_code (.sp2_i(code_sp2_q), .code_i(data_o[n*4+:4]), .weight_o(weight));
          always_ff @(posedge clk_i) begin
            code_sp2_q <= sp2[(lane_q & ~LW'(15)) | LW'(n)];
            weight_q   <= weight;
          end
          assign diagonal_weights_o[n*5+:5] = weight_q;
        end else begin : gen_lut
          assign diagonal_weights_o[n*5+:5] = '0;
        end
      end
    end else begin : gen_no_diagonal
      assign diagonal_weights_o = '0;
    end
  end else begin : gen_no_dsp_lanes
    assign pair_o             = '0;
    assign diagonal_weights_o = '0;
  end

  assign sunk_o = sunk_q;
  assign idle_o = due_q == '0 && !lane_valid_o && !param_valid_o && !row_end_q && !head_valid;
endmodule
