// Which lanes of the tile that CONV works on have something to do: any DSP lane, any LUT lane. For the busy counters.
//
// A lane has when its multiplier M, bits 16..0 of its parameter row 0, is not 0. valid_i: such a word of lane_i of the
// tile numbered tile_i (modulo 2^TB) passes by; it counts two cycles later, before any weight of its tile is there.
// drained_i: tile drained_tile_i is forgotten, a cycle later, before anything comes of the tile that takes its number.
// tile_end_i: the last step of CONV's tile is issued; from the next cycle on the outputs speak of the next tile.
module msq_wgt_used #(
  parameter int F = 6,
  parameter int S = 10,
  parameter int TB = 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     forget_i,
  input  logic                     valid_i,
  input  logic [$clog2(F+S)-1:0]   lane_i,
  input  logic [TB-1:0]            tile_i,
  input  logic [16:0]              multiplier_i,
  input  logic                     drained_i,
  input  logic [TB-1:0]            drained_tile_i,
  input  logic                     tile_end_i,
  output logic                     dsp_used_o,
  output logic                     lut_used_o
);
  localparam int TILES = 2 ** TB;

  logic [F+S-1:0] is_dsp;
  logic           used_q, dsp_q, drained_q;
  logic [TB-1:0]  tile_q, drained_tile_q, conv_tile_q;
  logic [TILES-1:0] dsp_used_q, lut_used_q;

  for (genvar l = 0; l < F + S; l++) begin : gen_lane
    assign is_dsp[l] = msq_lane_pkg::is_dsp(F, S, l) != 0;
  end

  assign dsp_used_o = dsp_used_q[conv_tile_q];
  assign lut_used_o = lut_used_q[conv_tile_q];

  always_ff @(posedge clk_i) begin
    used_q <= valid_i && multiplier_i != '0;
    dsp_q  <= is_dsp[lane_i];
    tile_q <= tile_i;
    drained_tile_q <= drained_tile_i;
    if (!rst_ni || forget_i) begin
      used_q      <= 1'b0;
      drained_q   <= 1'b0;
      conv_tile_q <= '0;
      dsp_used_q  <= '0;
      lut_used_q  <= '0;
    end else begin
      conv_tile_q <= conv_tile_q + TB'(tile_end_i);
      drained_q <= drained_i;
      for (int t = 0; t < TILES; t++) begin
        if (drained_q && drained_tile_q == TB'(t)) begin
          dsp_used_q[t] <= 1'b0;
          lut_used_q[t] <= 1'b0;
        end
        if (used_q && dsp_q && tile_q == TB'(t)) dsp_used_q[t] <= 1'b1;
        if (used_q && !dsp_q && tile_q == TB'(t)) lut_used_q[t] <= 1'b1;
      end
    end
  end
endmodule
