// What comes after the array: adds up passes, requantizes, fetches residuals, writes the results (CONV instructions).
//
// cmd_*: takes a CONV instruction (transfer when both are 1; only the fields used here are kept). Then the items of
// the array, Q sums of one pixel each, in the order of msq_drain_walk, are buffered at out_*: never more than
// 4*P*O/Q at a time, credit_o returns one place. One item a cycle, except where a write or a residual is not granted,
// and in the last pass of outputs that take more: leaky parameters and residuals of 8 bits 2 cycles, outputs of 8
// bits 2, raw ones 9 (6 when Q = 8).
// param_req_o asks for the constants of group param_group_o of the oldest tile, param_data_i answers 2 cycles later.
// tile_drained_o comes no earlier than the tile's last request, in the same cycle at best: the next request, from the
// next cycle on, is for the next tile.
// done_o: one cycle, all writes of the instruction were granted. abort_i (level): what is in the array comes and is
// dropped, with credits; reads and writes under way are completed; no done_o. idle_o: nothing under way.
module msq_drain #(
  parameter int P     = 4,
  parameter int O     = 32,
  parameter int Q     = 16,
  parameter int BANKS = 5,
  parameter int NW    = Q > 16 ? Q / 16 : 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             cmd_valid_i,
  output logic             cmd_ready_o,
  /* verilator lint_off UNUSEDSIGNAL */  // fields of other units
  input  logic [1023:0]    cmd_instr_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic             done_o,
  input  logic             abort_i,
  output logic             idle_o,
  // array
  input  logic             out_valid_i,
  input  logic [Q*24-1:0]  out_data_i,
  output logic             credit_o,
  // parameters
  output logic             param_req_o,
  output logic [3:0]       param_group_o,
  output logic             param_leaky_o,
  input  logic [Q*128-1:0] param_data_i,
  output logic             tile_drained_o,
  // residual: reads of the activation memory
  output logic [NW-1:0]    sr_valid_o,
  input  logic [NW-1:0]    sr_ready_i,
  output logic [NW*24-1:0] sr_addr_o,
  input  logic [NW-1:0]    sr_rvalid_i,
  input  logic [NW*64-1:0] sr_rdata_i,
  // writes of the activation memory
  output logic [NW-1:0]    dw_valid_o,
  input  logic [NW-1:0]    dw_ready_i,
  output logic [NW*24-1:0] dw_addr_o,
  output logic [NW*64-1:0] dw_data_o,
  output logic [NW*2-1:0]  dw_mask_o
);
  localparam int L     = Q / NW;         // lanes of a write client
  localparam int ITEMS = P * (O / Q);    // of a pass
  localparam int IW    = ITEMS > 1 ? $clog2(ITEMS) : 1;
  localparam logic [1:0] ADD_PLAIN = 2'd0;
  localparam logic [1:0] ADD_HIGH  = 2'd1;
  localparam logic [1:0] ADD_LOW   = 2'd2;

`ifndef SYNTHESIS
  initial begin
    assert ((Q == 8 || Q == 16 || Q == 32) && O % Q == 0 && O / Q < 16) else $error("msq_drain: parameters");
  end
`endif

  // The instruction.
  logic        busy_q, start_q, take;
  logic [3:0]  passes_q, last_groups_q;
  logic        raw_q, leaky_q, skip_q, skip8_q, out8_q, half_q;
  logic [11:0] tiles_q;
  logic [21:0] pixels_q;  // less one
  logic [7:0]  pass_shift_q;
  logic [23:0] out_q, out_pixel_q, out_group_q, out_tile_q, out_plane_q, skip_in_q, skip_group_q, skip_plane_q;

  assign take        = cmd_valid_i && cmd_ready_o;
  assign cmd_ready_o = !busy_q && !abort_i;

  always_ff @(posedge clk_i) begin
    if (take) begin
      passes_q      <= cmd_instr_i[msq_isa::CONV_PASSES_LSB +: 4];
      raw_q         <= cmd_instr_i[msq_isa::CONV_RAW_LSB];
      leaky_q       <= cmd_instr_i[msq_isa::CONV_LEAKY_LSB];
      skip_q        <= cmd_instr_i[msq_isa::CONV_SKIP_LSB];
      skip8_q       <= cmd_instr_i[msq_isa::CONV_SKIP8_LSB];
      out8_q        <= cmd_instr_i[msq_isa::CONV_OUT8_LSB];
      half_q        <= cmd_instr_i[msq_isa::CONV_OUT_HALF_LSB] && Q == 8;
      tiles_q       <= cmd_instr_i[msq_isa::CONV_TILES_LSB +: 12];
      last_groups_q <= cmd_instr_i[msq_isa::CONV_LAST_GROUPS_LSB +: 4];
      pixels_q      <= cmd_instr_i[msq_isa::CONV_PIXELS_LSB +: 22] - 22'd1;
      pass_shift_q  <= cmd_instr_i[msq_isa::CONV_PASS_SHIFT_LSB +: 8];
      out_q         <= cmd_instr_i[msq_isa::CONV_OUT_LSB +: 24];
      out_pixel_q   <= cmd_instr_i[msq_isa::CONV_OUT_PIXEL_LSB +: 24];
      out_group_q   <= cmd_instr_i[msq_isa::CONV_OUT_GROUP_LSB +: 24];
      out_tile_q    <= cmd_instr_i[msq_isa::CONV_OUT_TILE_LSB +: 24];
      out_plane_q   <= cmd_instr_i[msq_isa::CONV_OUT_PLANE_LSB +: 24];
      skip_in_q     <= cmd_instr_i[msq_isa::CONV_SKIP_IN_LSB +: 24];
      skip_group_q  <= cmd_instr_i[msq_isa::CONV_SKIP_GROUP_LSB +: 24];
      skip_plane_q  <= cmd_instr_i[msq_isa::CONV_SKIP_PLANE_LSB +: 24];
    end
  end

  // Items from the array.
  logic            item_valid, item_pop;
  logic [Q*24-1:0] item;

  // verilator lint_off PINCONNECTEMPTY
  msq_level_fifo #(.WIDTH(Q * 24), .DEPTH(4 * ITEMS)) u_items (
    .clk_i, .rst_ni, .push_i(out_valid_i), .data_i(out_data_i),
    .valid_o(item_valid), .data_o(item), .pop_i(item_pop), .level_o()
  );
  // verilator lint_on PINCONNECTEMPTY

  // Cycle 0: an item is issued. Steps of the last pass ask for parameters and go to the lanes; an item that takes two
  // steps there leaves the buffer with the second, which follows the first at once.
  logic          walk_valid, last_pass, pass_end, tile_end, word_half;
  logic [3:0]    group;
  logic [23:0]   addr [NW];
  logic          go, two, second_q, last_step, skip_ready, skip_ready2, skip_pop, skip_idle;
  logic [NW-1:0] room, write_idle;

  msq_drain_walk #(.P(P), .O(O), .Q(Q), .BANKS(BANKS)) u_walk (
    .clk_i, .rst_ni, .start_i(start_q), .stop_i(abort_i), .tiles_i(tiles_q), .last_groups_i(last_groups_q),
    .pixels_i(pixels_q), .passes_i(passes_q), .base_i(out_q), .half_i(half_q), .pixel_i(out_pixel_q),
    .group_i(out_group_q), .tile_i(out_tile_q), .step_i(last_step), .valid_o(walk_valid), .addr_o(addr[0]), .half_o(word_half),
    .group_o(group), .last_pass_o(last_pass), .pass_end_o(pass_end), .tile_end_o(tile_end)
  );

  assign two            = last_pass && (leaky_q || (skip_q && skip8_q));
  assign go             = walk_valid && item_valid && !second_q && !abort_i &&
                          (!last_pass || ((&room) && (!skip_q || (skip8_q ? skip_ready2 : skip_ready))));
  assign last_step      = (go && !two) || (second_q && !abort_i);
  assign item_pop       = last_step || (abort_i && item_valid);
  assign skip_pop       = skip_q && last_pass && (go || (second_q && skip8_q && !abort_i));
  assign param_req_o    = (go && last_pass) || second_q;
  assign param_group_o  = group;
  assign param_leaky_o  = second_q && leaky_q;
  assign tile_drained_o = last_step && tile_end;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) second_q <= 1'b0;
    else second_q <= go && two;
    credit_o <= rst_ni && item_pop;
  end

  // Cycle 0: the sum of the passes so far. The flags of the pass are registers: they go to Q*24 bits.
  (* ram_style = "distributed" *)
  logic [Q*24-1:0] hold_mem [ITEMS];
  logic [Q*24-1:0] hold, sum, sum1_q, sum2_q;
  logic [IW-1:0]   hold_index_q;
  logic            first_pass_q;
  logic [7:0]      shifts_q;

  assign hold = hold_mem[hold_index_q];
  for (genvar q = 0; q < Q; q++) begin : gen_sum
    logic [23:0] earlier;
    assign earlier = first_pass_q ? 24'd0 : shifts_q[0] ? {hold[q*24 +: 20], 4'd0} : hold[q*24 +: 24];
    assign sum[q*24 +: 24] = item[q*24 +: 24] + earlier;
  end

  always_ff @(posedge clk_i) begin
    if (go && !last_pass) hold_mem[hold_index_q] <= sum;
    if (go) sum1_q <= sum;
    sum2_q <= sum1_q;
    if (start_q) begin
      hold_index_q <= '0;
      first_pass_q <= 1'b1;
      shifts_q     <= pass_shift_q;
    end else if (last_step) begin
      hold_index_q <= pass_end ? '0 : hold_index_q + 1'b1;
      if (pass_end) first_pass_q <= last_pass;
      if (pass_end) shifts_q <= last_pass ? pass_shift_q : shifts_q >> 1;
    end
  end

  // Residuals: fetched ahead, one word a client and step.
  logic [NW*64-1:0] skip_words;
  logic [Q*4-1:0]   skip_codes, skip_codes_q;

  msq_drain_skip #(.P(P), .O(O), .Q(Q), .BANKS(BANKS)) u_skip (
    .clk_i, .rst_ni, .start_i(start_q && skip_q), .stop_i(abort_i), .wide_i(skip8_q), .tiles_i(tiles_q),
    .last_groups_i(last_groups_q), .pixels_i(pixels_q), .base_i(skip_in_q), .half_i(half_q),
    .group_i(skip_group_q), .plane_i(skip_plane_q), .ready_o(skip_ready), .ready2_o(skip_ready2),
    .data_o(skip_words), .pop_i(skip_pop), .sr_valid_o, .sr_ready_i, .sr_addr_o, .sr_rvalid_i, .sr_rdata_i,
    .idle_o(skip_idle)
  );
  if (Q == 8) begin : gen_skip_half
    assign skip_codes = word_half ? skip_words[63:32] : skip_words[31:0];
  end else begin : gen_skip_words
    assign skip_codes = skip_words;
  end

  always_ff @(posedge clk_i) begin
    if (!skip_q) skip_codes_q <= '0;
    else skip_codes_q <= skip_codes;
  end

  // Controls of the lanes. Index: cycles since the issue; load_q, below_q in cycle 2, add_q in 4, sum_en in 6.
  logic [2:1]    load_q, below_q;
  logic [5:1]    last_q;      // the step completes an item
  logic [1:0]    add_q [1:4];
  logic          last6_q, sum_en, codes7_q, codes8_q, codes9_q;
  logic [NW-1:0] raw_pending_q, raw_take;

  // Raw values stay in the lanes' sum registers until they are written.
  assign sum_en = last6_q && raw_pending_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      load_q        <= '0;
      below_q       <= '0;
      last_q        <= '0;
      last6_q       <= 1'b0;
      codes7_q      <= 1'b0;
      codes8_q      <= 1'b0;
      codes9_q      <= 1'b0;
      raw_pending_q <= '0;
    end else begin
      load_q        <= {load_q[1], (go && last_pass) || (second_q && !leaky_q)};
      below_q       <= {below_q[1], second_q && leaky_q};
      last_q        <= {last_q[4:1], last_step && last_pass};
      last6_q       <= last_q[5] || (last6_q && !sum_en);
      codes7_q      <= sum_en && !raw_q;
      codes8_q      <= codes7_q;
      codes9_q      <= codes8_q;
      raw_pending_q <= sum_en && raw_q ? '1 : raw_pending_q & ~raw_take;
    end
    add_q[1] <= !(skip_q && skip8_q) ? ADD_PLAIN : second_q ? ADD_LOW : ADD_HIGH;
    for (int i = 2; i <= 4; i++) add_q[i] <= add_q[i-1];
  end

  logic [Q*32-1:0] raw;
  logic [Q*8-1:0]  codes;

  for (genvar q = 0; q < Q; q++) begin : gen_lane
    msq_requant u_lane (
      .clk_i, .wide_i(out8_q), .load_i(load_q[2]), .below_i(below_q[2]), .sum_i(sum2_q[q*24 +: 24]),
      .skip_i(skip_codes_q[q*4 +: 4]), .param_i(param_data_i[q*128 +: 128]), .add_sel_i(add_q[4]), .sum_en_i(sum_en),
      .raw_o(raw[q*32 +: 32]), .y_o(codes[q*8 +: 8])
    );
  end

  for (genvar w = 0; w < NW; w++) begin : gen_write
    if (w > 0) begin : gen_next
      msq_addr_add #(.BANKS(BANKS)) u_next (.a_i(addr[w-1]), .b_i(out_group_q), .sum_o(addr[w]));
    end
    msq_drain_write #(.L(L), .BANKS(BANKS)) u_write (
      .clk_i, .rst_ni, .wide_i(out8_q), .raw_mode_i(raw_q), .plane_i(out_plane_q), .room_o(room[w]),
      .addr_push_i(last_step && last_pass), .addr_i(addr[w]), .half_i(word_half),
      .codes_push_i(codes9_q), .codes_i(codes[w*L*8 +: L*8]),
      .raw_valid_i(raw_pending_q[w]), .raw_i(raw[w*L*32 +: L*32]), .raw_take_o(raw_take[w]),
      .dw_valid_o(dw_valid_o[w]), .dw_ready_i(dw_ready_i[w]), .dw_addr_o(dw_addr_o[w*24 +: 24]),
      .dw_data_o(dw_data_o[w*64 +: 64]), .dw_mask_o(dw_mask_o[w*2 +: 2]), .idle_o(write_idle[w])
    );
  end

  // Beginning and end.
  logic finished;

  assign finished = busy_q && !start_q && !walk_valid && (&write_idle) && skip_idle;
  assign idle_o   = !busy_q && !start_q && !item_valid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q  <= 1'b0;
      start_q <= 1'b0;
      done_o  <= 1'b0;
    end else begin
      start_q <= take;
      done_o  <= finished && !abort_i;
      if (take) busy_q <= 1'b1;
      else if (finished) busy_q <= 1'b0;
    end
  end
endmodule
