// The CONV unit up to the array: walks pixels, issues steps, fetches words, reads weight rows, lines all of them up.
//
// cmd_*: an instruction is taken with valid and ready (the kernel offers it only when the drain takes it too);
// drain_start_o is that cycle. Ready again after drain_done_i: the drain has finished the instruction. abort_i (a
// level, held until idle_o) ends the instruction: nothing more is issued, the buffer is no longer read and its rows are
// forgotten; steps under way still reach the array, so that every item for which room was reserved reaches the drain,
// which drops it and gives the room back. idle_o: no instruction, nothing in the pipeline, the array or the drain's
// FIFO. error_o pulses when a field of it contradicts the instruction set: two cycles after the command, before any
// step; for weight_rows that do not agree with the passes' rows by the time that this shows, in the first group of
// pixels. The instruction, the drain's too, then ends by abort_i. clear_i (a pulse, while idle) begins the count of the
// buffer's rows anew: the beginning of a program.
// Steps, their order and what may delay them: msq_steps. Latency from the issue of a step: rd_en_o, rd_row_o, release_o
// after 4 cycles; act_o, vld_o, first_o, last_o, last_px_o, last_grp_o after 6, that is 2 cycles after rd_en_o,
// together with the buffer's wf data. Bank reads (a_*): msq_lanes. The first step is issued P + 3 cycles after the
// command. step_o and stall_*_o: what happened this cycle, for the performance counters; tile_end_o: the step is its
// tile's last.
module msq_conv #(
  parameter int P     = 2,
  parameter int O     = 16,
  parameter int Q     = 16,
  parameter int BANKS = 3,
  parameter int DFIFO = 4 * P * O / Q
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                cmd_valid_i,
  output logic                cmd_ready_o,
  input  logic [1023:0]       cmd_instr_i,
  output logic                error_o,
  input  logic                clear_i,
  input  logic                abort_i,
  output logic                idle_o,
  output logic                drain_start_o,
  input  logic                drain_done_i,
  input  logic                drain_credit_i,

  output logic [BANKS-1:0]    a_en_o,
  output logic [BANKS*20-1:0] a_row_o,
  input  logic [BANKS*64-1:0] a_data_i,

  input  logic [15:0]         rows_avail_i,
  output logic                rd_en_o,
  output logic [15:0]         rd_row_o,
  output logic                release_o,
  output logic [15:0]         release_rows_o,

  output logic [P*64-1:0]     act_o,
  output logic                vld_o,
  output logic                first_o,
  output logic                last_o,
  output logic [3:0]          last_px_o,
  output logic [4:0]          last_grp_o,

  output logic                step_o,
  output logic                tile_end_o,
  output logic                stall_weights_o,
  output logic                stall_drain_o,
  output logic                stall_bank_o
);
  localparam int SW = P > 1 ? $clog2(P) : 1;

  // One instruction at a time. The fields that nothing here uses cost no flip-flops.
  logic          busy_q, start_q;
  logic [1023:0] instr_q;
  logic [5:0]    step_q;
  logic          settled;

  assign cmd_ready_o   = !busy_q && !abort_i;
  assign drain_start_o = cmd_valid_i && cmd_ready_o;
  assign idle_o        = !busy_q && step_q == '0 && settled;

  always_ff @(posedge clk_i) begin
    if (drain_start_o) instr_q <= cmd_instr_i;
    if (!rst_ni || abort_i) begin
      busy_q  <= 1'b0;
      start_q <= 1'b0;
    end else begin
      busy_q  <= drain_start_o || (busy_q && !drain_done_i);
      start_q <= drain_start_o;
    end
  end

  // Fields that the walk, the steps or the drain could not end with, or that the drain does not combine.
  logic [3:0]  passes, last_groups;
  logic [21:0] pixels;
  logic [14:0] weight_rows;
  logic        raw, leaky, skip, stream, illegal, steps_illegal;

  assign passes      = instr_q[msq_isa::CONV_PASSES_LSB +: 4];
  assign last_groups = instr_q[msq_isa::CONV_LAST_GROUPS_LSB +: 4];
  assign raw         = instr_q[msq_isa::CONV_RAW_LSB];
  assign leaky       = instr_q[msq_isa::CONV_LEAKY_LSB];
  assign skip        = instr_q[msq_isa::CONV_SKIP_LSB];
  assign stream      = instr_q[msq_isa::CONV_STREAM_LSB];
  assign pixels      = instr_q[msq_isa::CONV_PIXELS_LSB +: 22];
  assign weight_rows = instr_q[msq_isa::CONV_WEIGHT_ROWS_LSB +: 15];
  assign illegal     = passes == '0 || passes > 4'd8 || last_groups == '0 || last_groups > 4'(O / Q) ||
                       (raw && (leaky || skip || instr_q[msq_isa::CONV_OUT8_LSB])) || (leaky && skip) ||
                       instr_q[msq_isa::CONV_TILES_LSB +: 12] == '0 || pixels == '0 || (stream && pixels > 22'(P)) ||
                       weight_rows == '0 || instr_q[msq_isa::CONV_PASS_SHIFT_LSB] ||
                       (instr_q[msq_isa::CONV_OUT_HALF_LSB] && Q != 8) ||
                       instr_q[msq_isa::CONV_OUT_WIDTH_LSB +: 12] == '0 ||
                       instr_q[msq_isa::CONV_KERNEL_H_LSB +: 5] == '0 ||
                       instr_q[msq_isa::CONV_KERNEL_W_LSB +: 5] == '0 ||
                       instr_q[msq_isa::CONV_CHANNEL_GROUPS_LSB +: 12] == '0;

  always_ff @(posedge clk_i) error_o <= rst_ni && ((start_q && illegal) || steps_illegal);

  logic            full, take, group_first, tile_last, group_end;
  logic [P*24-1:0] lane_addr;
  logic [P*14-1:0] lane_y, lane_x;
  logic [P*SW-1:0] lane_sub;
  logic [3:0]      group_px;
  logic [SW-1:0]   max_sub;

  msq_walker #(.P(P), .BANKS(BANKS)) u_walker (
    .clk_i, .rst_ni, .start_i(start_q), .abort_i, .instr_i(instr_q),
    .full_o(full), .take_i(take), .addr_o(lane_addr), .y_o(lane_y), .x_o(lane_x), .sub_o(lane_sub), .px_o(group_px),
    .max_sub_o(max_sub), .first_o(group_first), .tile_last_o(tile_last), .end_o(group_end)
  );

  logic          issue, step, first, last;
  logic [SW-1:0] sub;
  logic [23:0]   off;
  logic [13:0]   dy, dx;
  logic [3:0]    pad, px;
  logic [4:0]    grp;
  logic [15:0]   row, release_rows;

  msq_steps #(.P(P), .O(O), .Q(Q), .BANKS(BANKS), .DFIFO(DFIFO)) u_steps (
    .clk_i, .rst_ni, .start_i(start_q), .clear_i, .abort_i, .instr_i(instr_q),
    .full_i(full), .take_o(take), .px_i(group_px), .max_sub_i(max_sub), .first_i(group_first), .tile_last_i(tile_last),
    .end_i(group_end),
    .rows_avail_i, .release_i(release_o), .release_rows_i(release_rows_o), .drain_credit_i,
    .issue_o(issue), .sub_o(sub), .off_o(off), .dy_o(dy), .dx_o(dx), .pad_o(pad), .step_o(step), .tile_end_o,
    .first_o(first), .last_o(last), .px_o(px), .grp_o(grp), .row_o(row), .release_rows_o(release_rows),
    .stall_weights_o, .stall_drain_o, .stall_bank_o, .illegal_o(steps_illegal), .settled_o(settled)
  );
  assign step_o = step;

  msq_lanes #(.P(P), .BANKS(BANKS)) u_lanes (
    .clk_i, .rst_ni,
    .in_height_i(instr_q[msq_isa::CONV_IN_HEIGHT_LSB +: 12]), .in_width_i(instr_q[msq_isa::CONV_IN_WIDTH_LSB +: 12]),
    .take_i(take), .addr_i(lane_addr), .y_i(lane_y), .x_i(lane_x), .sub_of_lane_i(lane_sub), .px_i(group_px),
    .issue_i(issue), .sub_i(sub), .off_i(off), .dy_i(dy), .dx_i(dx), .pad_i(pad),
    .a_en_o, .a_row_o, .a_data_i, .act_o
  );

  // Steps on their way: bit i of step_q is i + 1 cycles after the issue. Only valid bits know reset.
  logic [10:0] info_q [6];  // first, last, px, grp
  logic [15:0] row_q [4];
  logic [15:0] release_rows_q [4];
  logic        releases_q;  // release_rows_q[3] is not 0

  always_ff @(posedge clk_i) begin
    step_q <= !rst_ni ? '0 : {step_q[4:0], step};
    info_q[0]         <= {first, last, px, grp};
    row_q[0]          <= row;
    release_rows_q[0] <= release_rows;
    releases_q        <= release_rows_q[2] != '0;
    for (int i = 1; i < 6; i++) info_q[i] <= info_q[i-1];
    for (int i = 1; i < 4; i++) begin
      row_q[i]          <= row_q[i-1];
      release_rows_q[i] <= release_rows_q[i-1];
    end
  end

  assign rd_en_o        = step_q[3] && !abort_i;
  assign rd_row_o       = row_q[3];
  assign release_o      = rd_en_o && releases_q;
  assign release_rows_o = release_rows_q[3];
  assign vld_o          = step_q[5];
  assign {first_o, last_o, last_px_o, last_grp_o} = info_q[5];

`ifndef SYNTHESIS
  initial assert (P <= 8 && P < BANKS && O % Q == 0 && O / Q < 16) else $fatal(1, "msq_conv: no such configuration");
`endif
endmodule
