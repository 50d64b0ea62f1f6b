// The array: P pixels x 16 input channels x (F lanes on DSP blocks + S lanes in LUTs), output-stationary, one step a
// cycle, never stalls.
//
// A step: act_i (pixel p, channel n: bits 4 * (16p + n) on), vld_i, first_i, last_i and wf_i (pair i of DSP lanes,
// channel n: bits 10 * (16i + n) on, {hi, lo} as msq_dsp4_chain takes them) in one cycle, ws_i (LUT lane s, channel n:
// bits 4 * (16s + n) on) of the same step three cycles LATER. Steps come back to back or with cycles of vld_i = 0
// between them, in which all else is ignored. first_i clears the accumulators before the step is added; last_i ends a
// pass, with the numbers last_px_i (1..P) of pixels and last_grp_i (1..O/Q) of groups of Q lanes to read out.
//
// Result: for j in 0..last_grp-1, for p in 0..last_px-1 (fastest), out_data_o holds the sums of lanes jQ .. jQ+Q-1 of
// pixel p (that at position jQ + q in bits 24q+23..24q; positions are those of msq_lane_pkg), out_valid_o = 1, without a
// gap; the first one 10 cycles after last_i. Steps of the next pass may follow at once; its last_i has to
// come at least last_px * last_grp (of the pass before) cycles after the one before.
//
// Sums are exact but for constants, modulo 2^24: +2048 a step in a DSP lane, +123 a weight whose sign bit is set in a
// LUT lane. Reset is for control alone; accumulators hold anything until the first first_i.
//
// Cycles from act_i on: DSP lanes skew operand n by n % 4; their accumulators and, because ws_i is three later, the
// LUT lanes' are written at the end of cycle 7, captured at the end of cycle 8, out in cycle 10.
module msq_gemm #(
  parameter int P = 2,
  parameter int F = 6,
  parameter int S = 10,
  parameter int Q = 16,
  parameter int XC7_PRIMS = 0
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                vld_i,
  input  logic                first_i,
  input  logic                last_i,
  input  logic [3:0]          last_px_i,
  input  logic [4:0]          last_grp_i,
  input  logic [P*64-1:0]     act_i,
  input  logic [F/2*160-1:0]  wf_i,
  input  logic [S*64-1:0]     ws_i,
  output logic                out_valid_o,
  output logic [Q*24-1:0]     out_data_o
);
  localparam int O = F + S;
  localparam int Groups = O / Q;
  localparam int Items = P * Groups;
  localparam int ItemWidth = Items > 1 ? $clog2(Items) : 1;
  localparam int FanLanes = 8;  // LUT lanes that share a copy of the activations
  localparam int Copies = (S + FanLanes - 1) / FanLanes;

  logic [23:0] acc [P*O];  // pixel p, position l: P * O / Q items of Q lanes

  // Control: six cycles, the last register once a pixel.
  localparam int LastDelay = 7;

  logic [4:0]           en_q, first_q;
  logic [LastDelay-1:0] last_q;
  logic [8:0]           count_q [LastDelay];

  always_ff @(posedge clk_i) begin
    en_q <= rst_ni ? {en_q[3:0], vld_i} : 5'b0;
    last_q <= rst_ni ? {last_q[LastDelay-2:0], vld_i && last_i} : '0;
    first_q <= {first_q[3:0], first_i};
    count_q[0] <= {last_px_i, last_grp_i};
  end
  for (genvar i = 1; i < LastDelay; i++) begin : gen_count
    always_ff @(posedge clk_i) count_q[i] <= count_q[i-1];
  end

  // Operands: the DSP lanes' skew, the LUT lanes' delay.
  logic [P*64-1:0]    act_skew_q [3];
  logic [F/2*160-1:0] wf_skew_q [3];
  logic [S*64-1:0]    ws_q;

  always_ff @(posedge clk_i) begin
    act_skew_q[0] <= act_i;
    wf_skew_q[0] <= wf_i;
    ws_q <= ws_i;
  end
  for (genvar i = 1; i < 3; i++) begin : gen_skew
    always_ff @(posedge clk_i) begin
      act_skew_q[i] <= act_skew_q[i-1];
      wf_skew_q[i] <= wf_skew_q[i-1];
    end
  end

  logic [P*64-1:0]    act_dsp;
  logic [F/2*160-1:0] wf_dsp;
  for (genvar i = 0; i < P * 16; i++) begin : gen_act
    if (i % 4 == 0) begin : gen_now
      assign act_dsp[4*i+:4] = act_i[4*i+:4];
    end else begin : gen_later
      assign act_dsp[4*i+:4] = act_skew_q[i%4-1][4*i+:4];
    end
  end
  for (genvar i = 0; i < F / 2 * 16; i++) begin : gen_wf
    if (i % 4 == 0) begin : gen_now
      assign wf_dsp[10*i+:10] = wf_i[10*i+:10];
    end else begin : gen_later
      assign wf_dsp[10*i+:10] = wf_skew_q[i%4-1][10*i+:10];
    end
  end

  logic unused_skew;
  assign unused_skew = ^{wf_skew_q[0], wf_skew_q[1], wf_skew_q[2]};  // of most channels one of the three is read

  // DSP lanes: tiles of two lanes and two pixels.
  for (genvar j = 0; j < (P + 1) / 2; j++) begin : gen_pair
    localparam int Pixels = 2 * j + 1 < P ? 2 : 1;

    (* keep = "true" *) logic pair_en_q;
    (* keep = "true" *) logic pair_first_q;
    always_ff @(posedge clk_i) begin
      pair_en_q <= en_q[4];
      pair_first_q <= first_q[4];
    end

    logic [127:0] act_pair;
    for (genvar n = 0; n < 16; n++) begin : gen_act
      assign act_pair[8*n+:4] = act_dsp[4*(32*j+n)+:4];
      if (Pixels == 2) begin : gen_two
        assign act_pair[8*n+4+:4] = act_dsp[4*(32*j+16+n)+:4];
      end else begin : gen_one
        assign act_pair[8*n+4+:4] = 4'b0;
      end
    end
    for (genvar i = 0; i < F / 2; i++) begin : gen_tile
      logic [95:0] tile_acc;
      msq_fix_tile #(.PIXELS(Pixels), .XC7_PRIMS(XC7_PRIMS)) u_tile (
        .clk_i(clk_i), .en_i(pair_en_q), .first_i(pair_first_q), .act_i(act_pair), .weight_i(wf_dsp[160*i+:160]),
        .acc_o(tile_acc));
      for (genvar k = 0; k < 4; k++) begin : gen_acc
        if (k % 2 < Pixels) begin : gen_used
          assign acc[(2*j+k%2)*O+msq_lane_pkg::dsp_position(F, S, 2*i+k/2)] = tile_acc[24*k+:24];
        end else begin : gen_unused
          logic unused_acc;
          assign unused_acc = ^tile_acc[24*k+:24];
        end
      end
    end
  end

  // LUT lanes.
  for (genvar c = 0; c < Copies; c++) begin : gen_copy
    localparam int Lanes = FanLanes * (c + 1) > S ? S - FanLanes * c : FanLanes;

    (* keep = "true" *) logic [P*64-1:0] act_q;
    always_ff @(posedge clk_i) act_q <= act_skew_q[2];

    for (genvar p = 0; p < P; p++) begin : gen_pixel
      (* keep = "true" *) logic pixel_en_q;
      (* keep = "true" *) logic pixel_first_q;
      always_ff @(posedge clk_i) begin
        pixel_en_q <= en_q[4];
        pixel_first_q <= first_q[4];
      end
      for (genvar s = 0; s < Lanes; s++) begin : gen_lane
        localparam int Lane = FanLanes * c + s;
        logic [23:0] lane_acc;
        msq_sp2_lane #(.XC7_PRIMS(XC7_PRIMS)) u_lane (
          .clk_i(clk_i), .en_i(pixel_en_q), .first_i(pixel_first_q), .act_i(act_q[64*p+:64]),
          .weight_i(ws_q[64*Lane+:64]), .acc_o(lane_acc));
        assign acc[p*O+msq_lane_pkg::lut_position(F, S, Lane)] = lane_acc;
      end
    end
  end

  // Read-out.
  logic                 capture;
  logic [ItemWidth-1:0] select;

  msq_readout #(.P(P), .GROUPS(Groups), .IW(ItemWidth)) u_readout (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(last_q[LastDelay-1]), .last_px_i(count_q[LastDelay-1][8:5]),
    .last_grp_i(count_q[LastDelay-1][4:0]), .capture_o(capture), .select_o(select), .out_valid_o(out_valid_o));

  for (genvar q = 0; q < Q; q++) begin : gen_shadow
    logic [24*Items-1:0] items;
    for (genvar i = 0; i < Items; i++) begin : gen_item
      assign items[24*i+:24] = acc[(i%P)*O+(i/P)*Q+q];
    end
    msq_shadow #(.ITEMS(Items), .IW(ItemWidth)) u_shadow (
      .clk_i(clk_i), .capture_i(capture), .select_i(select), .items_i(items), .data_o(out_data_o[24*q+:24]));
  end

`ifndef SYNTHESIS
  initial begin
    assert (P >= 1 && P <= 15 && F % 2 == 0 && F >= 2 && S >= 1 && O % Q == 0 && Groups <= 31)
    else $fatal(1, "parameters");
  end
`endif
endmodule
