// Issues the steps of a CONV instruction: for each group of pixels, pass, ky, kx, channel group one step, which takes
// one cycle, or 1 + max_sub_i of the group. Keeps the tap's address offset, row and column, and the weight row.
//
// start_i comes with instr_i valid (and stable until the last group's end), before the first group. Groups come from
// msq_walker (full_i, take_o and what describes a group); the first issue of a group is the cycle after take_o. All
// issue outputs describe the sub-cycle of cycle issue_o; step_o marks a step's last one, and first_o, last_o,
// release_rows_o (0: none) go with step_o. tile_end_o: it is its tile's last.
// What holds steps back, and nothing else: no group; the weight row of a step of a tile's first group not written yet
// (stall_weights_o); a pass's last step while the drain lacks room for px * grp items, or sooner than the earlier
// last's px * grp cycles after it (stall_drain_o). stall_bank_o: a sub-cycle that is no step's last.
// Weight rows are also counted from the program's first: rows_avail_i counts from the buffer's head, which release_i,
// release_rows_i move from the next cycle on, so that their sum only grows. clear_i (a pulse, without an instruction)
// begins these counts anew; abort_i does so, too, and drops the instruction; room that was reserved comes back as the
// drain drops the items, and settled_o says that all has.
// illegal_o: the step that comes next wants a row beyond weight_rows, or ends a tile of a stream before its last row.
// Whether the row is there does not matter, so that this is never waited for.
module msq_steps #(
  parameter int P     = 2,
  parameter int O     = 16,
  parameter int Q     = 16,
  parameter int BANKS = 3,
  parameter int DFIFO = 4 * P * O / Q,
  parameter int SW    = P > 1 ? $clog2(P) : 1
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic          start_i,
  input  logic          clear_i,
  input  logic          abort_i,
  /* verilator lint_off UNUSEDSIGNAL */  // the steps have a share of the fields
  input  logic [1023:0] instr_i,
  /* verilator lint_on UNUSEDSIGNAL */

  input  logic          full_i,
  output logic          take_o,
  input  logic [3:0]    px_i,
  input  logic [SW-1:0] max_sub_i,
  input  logic          first_i,
  input  logic          tile_last_i,
  input  logic          end_i,

  input  logic [15:0]   rows_avail_i,
  input  logic          release_i,
  input  logic [15:0]   release_rows_i,
  input  logic          drain_credit_i,

  output logic          issue_o,
  output logic [SW-1:0] sub_o,
  output logic [23:0]   off_o,
  output logic [13:0]   dy_o,
  output logic [13:0]   dx_o,
  output logic [3:0]    pad_o,
  output logic          step_o,
  output logic          tile_end_o,
  output logic          first_o,
  output logic          last_o,
  output logic [3:0]    px_o,
  output logic [4:0]    grp_o,
  output logic [15:0]   row_o,
  output logic [15:0]   release_rows_o,

  output logic          stall_weights_o,
  output logic          stall_drain_o,
  output logic          stall_bank_o,
  output logic          illegal_o,
  output logic          settled_o
);
  localparam int NW = $clog2(P * O / Q + 1);  // items of a pass
  localparam int CW = $clog2(DFIFO + 1);

  logic        stream;
  logic [3:0]  passes, last_groups, pad_low, pad_high;
  logic [4:0]  kernel_h, kernel_w, dilation_y, dilation_x;
  logic [11:0] channel_groups;
  logic [15:0] weight_rows;
  logic [23:0] in_plane, in_tile, in_group, in_tap, in_tap_row;
  logic [7:0]  pass_plane;

  assign stream         = instr_i[msq_isa::CONV_STREAM_LSB];
  assign passes         = instr_i[msq_isa::CONV_PASSES_LSB +: 4];
  assign last_groups    = instr_i[msq_isa::CONV_LAST_GROUPS_LSB +: 4];
  assign pad_low        = instr_i[msq_isa::CONV_PAD_LOW_LSB +: 4];
  assign pad_high       = instr_i[msq_isa::CONV_PAD_HIGH_LSB +: 4];
  assign kernel_h       = instr_i[msq_isa::CONV_KERNEL_H_LSB +: 5];
  assign kernel_w       = instr_i[msq_isa::CONV_KERNEL_W_LSB +: 5];
  assign dilation_y     = instr_i[msq_isa::CONV_DILATION_Y_LSB +: 5];
  assign dilation_x     = instr_i[msq_isa::CONV_DILATION_X_LSB +: 5];
  assign channel_groups = instr_i[msq_isa::CONV_CHANNEL_GROUPS_LSB +: 12];
  assign weight_rows    = {1'b0, instr_i[msq_isa::CONV_WEIGHT_ROWS_LSB +: 15]};
  assign in_plane       = instr_i[msq_isa::CONV_IN_PLANE_LSB +: 24];
  assign in_tile        = instr_i[msq_isa::CONV_IN_TILE_LSB +: 24];
  assign in_group       = instr_i[msq_isa::CONV_IN_GROUP_LSB +: 24];
  assign in_tap         = instr_i[msq_isa::CONV_IN_TAP_LSB +: 24];
  assign in_tap_row     = instr_i[msq_isa::CONV_IN_TAP_ROW_LSB +: 24];
  assign pass_plane     = instr_i[msq_isa::CONV_PASS_PLANE_LSB +: 8];

  logic [11:0] pass_row [8];
  assign pass_row[0] = instr_i[msq_isa::CONV_PASS0_ROW_LSB +: 12];
  assign pass_row[1] = instr_i[msq_isa::CONV_PASS1_ROW_LSB +: 12];
  assign pass_row[2] = instr_i[msq_isa::CONV_PASS2_ROW_LSB +: 12];
  assign pass_row[3] = instr_i[msq_isa::CONV_PASS3_ROW_LSB +: 12];
  assign pass_row[4] = instr_i[msq_isa::CONV_PASS4_ROW_LSB +: 12];
  assign pass_row[5] = instr_i[msq_isa::CONV_PASS5_ROW_LSB +: 12];
  assign pass_row[6] = instr_i[msq_isa::CONV_PASS6_ROW_LSB +: 12];
  assign pass_row[7] = instr_i[msq_isa::CONV_PASS7_ROW_LSB +: 12];

  // The group at work.
  logic          valid_q, tile_first_q, tile_last_q;
  logic [SW-1:0] max_sub_q, sub_q;
  logic [NW-1:0] need_q;

  // May the sub-cycle go? That comes late. Whatever else there is to know of it does not: advance alone says whether
  // things move, and where they move to is worked out beforehand. After a group's last step, and without a group, that
  // is the beginning of the next group (which is loaded again until it is there).
  logic          rows_ok_q, drain_ok, final_sub, taps_last, pass_last_q;
  logic          step, pass_end, group_end, tile_end, advance, to_pass, to_group, to_tile;
  logic [CW-1:0] free_q;
  logic [NW-1:0] gap_q;

  assign drain_ok  = (free_q >= CW'(need_q) && gap_q == '0) || !(final_sub && taps_last);
  assign final_sub = sub_q == max_sub_q;
  assign issue_o   = valid_q && rows_ok_q && drain_ok;
  assign step      = issue_o && final_sub;
  assign pass_end  = step && taps_last;
  assign group_end = pass_end && pass_last_q;
  assign tile_end  = group_end && tile_last_q;
  assign take_o    = full_i && (!valid_q || group_end);
  assign advance   = step || (full_i && !valid_q);
  assign to_pass   = !valid_q || taps_last;
  assign to_group  = !valid_q || (taps_last && pass_last_q);
  assign to_tile   = valid_q && tile_last_q;  // that group belongs to the next tile

  // The items that a pass of the next group gives the drain.
  logic [4:0]    next_grp;
  logic [NW-1:0] next_need;
  assign next_grp = end_i ? {1'b0, last_groups} : 5'(O / Q);
  always_comb begin
    next_need = '0;
    for (int i = 0; i < 4; i++) begin
      if (px_i[i]) next_need += NW'({3'b0, next_grp} << i);
    end
  end

  always_ff @(posedge clk_i) begin
    if (advance && to_group) begin
      max_sub_q    <= max_sub_i;
      tile_first_q <= first_i;
      tile_last_q  <= tile_last_i;
      px_o         <= px_i;
      grp_o        <= next_grp;
      need_q       <= next_need;
    end
    if (!rst_ni || abort_i) valid_q <= 1'b0;
    else if (take_o) valid_q <= 1'b1;
    else if (group_end) valid_q <= 1'b0;
    if (take_o) sub_q <= '0;
    else if (issue_o) sub_q <= final_sub ? '0 : sub_q + SW'(1);
  end

  // Taps: channel groups fastest, then columns, then rows. Counters count down to 1, the last.
  logic        group_last_q, column_last_q, row_last_q, pass_start_q;
  logic        next_group_last, next_column_last;
  logic [11:0] group_q;
  logic [4:0]  column_q, ky_q;

  assign taps_last        = group_last_q && column_last_q && row_last_q;
  assign next_group_last  = to_pass || group_last_q ? channel_groups == 12'd1 : group_q == 12'd2;
  assign next_column_last = to_pass || (group_last_q && column_last_q) ? kernel_w == 5'd1 :
                            group_last_q ? column_q == 5'd2 : column_last_q;

  always_ff @(posedge clk_i) begin
    if (advance) begin
      pass_start_q  <= to_pass;
      group_last_q  <= next_group_last;
      column_last_q <= next_column_last;
      group_q       <= to_pass || group_last_q ? channel_groups : group_q - 12'd1;
      if (to_pass) begin
        column_q   <= kernel_w;
        ky_q       <= kernel_h;
        row_last_q <= kernel_h == 5'd1;
        dx_o       <= '0;
        dy_o       <= '0;
      end else if (group_last_q) begin
        column_q <= column_last_q ? kernel_w : column_q - 5'd1;
        dx_o     <= column_last_q ? '0 : dx_o + {9'b0, dilation_x};
        if (column_last_q) begin
          ky_q       <= ky_q - 5'd1;
          row_last_q <= ky_q == 5'd2;
          dy_o       <= dy_o + {9'b0, dilation_y};
        end
      end
    end
  end

  // Passes: next_*_q speak of the pass after the present.
  logic [3:0]  after_next, next_pass_q;
  logic        plane_q, next_plane_q, next_plane;
  logic [11:0] next_row_q;

  assign after_next = to_group ? 4'd1 : next_pass_q + 4'd1;
  assign next_plane = to_group ? pass_plane[0] : next_plane_q;
  assign pad_o      = plane_q ? pad_high : pad_low;

  always_ff @(posedge clk_i) begin
    if (advance && to_pass) begin
      next_pass_q  <= after_next;
      pass_last_q  <= after_next == passes;
      plane_q      <= next_plane;
      next_plane_q <= pass_plane[after_next[2:0]];
      next_row_q   <= pass_row[after_next[2:0]];
    end
  end

  // Address offsets: where the planes of this tile and of the next begin, where the tap is, how far it is to the next.
  logic        start_q;
  logic [23:0] plane0_q, plane1_q, plane0_next_q, plane1_next_q, plane0_sum, plane1_sum, inc_q, off_sum, base;

  msq_addr_add #(.BANKS(BANKS)) u_plane0 (.a_i(plane0_next_q), .b_i(in_tile), .sum_o(plane0_sum));
  msq_addr_add #(.BANKS(BANKS)) u_plane1 (.a_i(plane1_next_q), .b_i(in_tile), .sum_o(plane1_sum));
  msq_addr_add #(.BANKS(BANKS)) u_off (.a_i(off_o), .b_i(inc_q), .sum_o(off_sum));

  assign base = to_group && to_tile ? (next_plane ? plane1_next_q : plane0_next_q) : next_plane ? plane1_q : plane0_q;

  always_ff @(posedge clk_i) begin
    start_q <= start_i;
    if (start_i) begin
      plane0_q      <= '0;
      plane1_q      <= in_plane;
      plane0_next_q <= '0;
      plane1_next_q <= in_plane;
    end else if (start_q || tile_end) begin
      if (!start_q) plane0_q <= plane0_next_q;
      if (!start_q) plane1_q <= plane1_next_q;
      plane0_next_q <= plane0_sum;
      plane1_next_q <= plane1_sum;
    end
    if (advance) begin
      off_o <= to_pass ? base : off_sum;
      inc_q <= !next_group_last ? in_group : next_column_last ? in_tap_row : in_tap;
    end
  end

  // The weight row, counted from the tile's first; and the rows that are there of this tile and of the next, counted
  // alike (and less one). They lag behind by a cycle or two, which does no harm but where a tile ends before
  // next_known_q: then the rows of the new one are waited for. Counts are modulo 2^16: of two the one is ahead that is
  // so by less than 2^15, which is more than a tile and the buffer have rows.
  logic [15:0] first_row, last_row;
  logic [15:0] row_q, total_q, released_q, tile_row_q, tile_row_sum, next_tile_row_q;
  logic [15:0] avail_q, avail_less_q, avail_next_q, avail_next_less_q;
  logic [1:0]  next_known_q;
  logic        avail_known_q;
  logic        ok_stay, ok_inc, ok_pass, ok_group, ok_tile, ok_next;

  function automatic logic is_before(input logic [15:0] row, input logic [15:0] end_row);
    /* verilator lint_off UNUSEDSIGNAL */  // only the sign counts
    logic [15:0] difference;
    /* verilator lint_on UNUSEDSIGNAL */
    difference = row - end_row;
    is_before  = difference[15];
  endfunction

  assign first_row    = stream ? '0 : {4'b0, pass_row[0]};
  assign last_row     = weight_rows - 16'd1;
  assign tile_row_sum = tile_row_q + weight_rows;
  assign ok_stay      = avail_known_q && is_before(row_q, avail_q);
  assign ok_inc       = avail_known_q && is_before(row_q, avail_less_q);
  assign ok_pass      = avail_known_q && is_before({4'b0, next_row_q}, avail_q);
  assign ok_group     = avail_known_q && is_before(first_row, avail_q);
  assign ok_tile      = next_known_q[1] && is_before(first_row, avail_next_q);
  assign illegal_o    = valid_q && (row_q > last_row || (stream && taps_last && pass_last_q && row_q != last_row));

  // Only a tile's first group waits.
  always_comb begin
    if (to_group) ok_next = !first_i || (to_tile ? ok_tile : ok_group);
    else ok_next = !tile_first_q || (taps_last && !stream ? ok_pass : ok_inc);
  end

  always_ff @(posedge clk_i) begin
    if (advance) begin
      row_q <= to_group ? first_row : to_pass && !stream ? {4'b0, next_row_q} : row_q + 16'd1;
    end
    rows_ok_q <= advance ? ok_next : rows_ok_q || !tile_first_q || ok_stay;

    total_q           <= rows_avail_i + released_q;
    next_tile_row_q   <= tile_row_sum;
    avail_next_q      <= total_q - next_tile_row_q;
    avail_next_less_q <= total_q + ~next_tile_row_q;
    avail_q           <= tile_end ? avail_next_q : total_q - tile_row_q;
    avail_less_q      <= tile_end ? avail_next_less_q : total_q + ~tile_row_q;
    if (!rst_ni || clear_i || abort_i) begin
      tile_row_q    <= '0;
      released_q    <= '0;
      avail_known_q <= 1'b0;
      next_known_q  <= '0;
    end else begin
      if (tile_end) tile_row_q <= tile_row_sum;
      if (release_i) released_q <= released_q + release_rows_i;
      avail_known_q <= !start_i && (!tile_end || next_known_q[1]);
      next_known_q  <= start_i || tile_end ? '0 : {next_known_q[0], 1'b1};
    end
  end

  // Room in the drain's FIFO, and cycles until the next pass may end.
  logic [CW-1:0] free_more, free_less;
  assign free_more = free_q + CW'(drain_credit_i);
  assign free_less = free_q - CW'(need_q) + CW'(drain_credit_i);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      free_q <= CW'(DFIFO);
      gap_q  <= '0;
    end else begin
      free_q <= pass_end ? free_less : free_more;
      if (pass_end) gap_q <= need_q - NW'(1);
      else if (gap_q != '0) gap_q <= gap_q - NW'(1);
    end
  end

  assign sub_o           = sub_q;
  assign step_o          = step;
  assign tile_end_o      = tile_end;
  assign first_o         = pass_start_q;
  assign last_o          = taps_last;
  assign row_o           = stream ? '0 : row_q;
  assign release_rows_o  = stream ? 16'd1 : tile_end ? weight_rows : '0;
  assign stall_weights_o = valid_q && !rows_ok_q;
  assign stall_drain_o   = valid_q && rows_ok_q && !drain_ok;
  assign stall_bank_o    = issue_o && !final_sub;
  assign settled_o       = free_q == CW'(DFIFO);

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (free_q <= CW'(DFIFO)) else $error("the drain gave more room than it has");
      assert (!start_i || !valid_q) else $error("an instruction started during another");
    end
  end
`endif
endmodule
