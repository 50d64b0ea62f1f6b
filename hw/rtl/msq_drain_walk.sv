// The order of the array's items, and where each one's word lies: tiles, groups of P pixels, passes, groups of Q
// channels, pixels (fastest).
//
// start_i begins a walk with the configuration inputs, which stay constant from then on; from the next cycle until
// after the last item valid_o is 1 and the outputs describe the current item. step_i goes on to the next one, one a
// cycle; stop_i ends the walk. Addresses move in the last pass only. Q = 8: half_o is the half of the word.
module msq_drain_walk #(
  parameter int P     = 4,
  parameter int O     = 32,
  parameter int Q     = 16,
  parameter int BANKS = 5
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        stop_i,
  input  logic [11:0] tiles_i,
  input  logic [3:0]  last_groups_i,  // of Q channels in the last tile
  input  logic [21:0] pixels_i,
  input  logic [3:0]  passes_i,
  input  logic [23:0] base_i,         // the first word
  input  logic        half_i,         // the first half
  input  logic [23:0] pixel_i,        // from one pixel to the next
  input  logic [23:0] group_i,        // from one word of 16 channels to the next
  input  logic        step_i,
  output logic        valid_o,
  output logic [23:0] addr_o,
  output logic        half_o,
  output logic [3:0]  group_o,        // group of Q channels in the tile
  output logic        last_pass_o,
  output logic        pass_end_o,     // last item of a pass
  output logic        tile_end_o      // last item of a tile
);
  localparam int PW = P > 1 ? $clog2(P) : 1;

  logic          valid_q, first_group_q;
  logic [11:0]   tiles_q;   // after this one
  logic [21:0]   pixels_q;  // after the first one of this group
  logic [3:0]    pass_q, group_q;
  logic [PW-1:0] pixel_q, pixel_last;
  logic          last_tile, last_pixels, last_group, last_pixel;

  assign last_tile   = tiles_q == '0;
  assign last_pixels = pixels_q < 22'(P);
  assign pixel_last  = last_pixels ? pixels_q[PW-1:0] : PW'(P - 1);
  assign last_pixel  = pixel_q == pixel_last;
  assign last_group  = group_q == (last_tile ? last_groups_i - 4'd1 : 4'(O / Q - 1));
  assign last_pass_o = pass_q == passes_i - 4'd1;
  assign pass_end_o  = last_pixel && last_group;
  assign tile_end_o  = pass_end_o && last_pass_o && last_pixels;
  assign group_o     = group_q;
  assign valid_o     = valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || stop_i) valid_q <= 1'b0;
    else if (start_i) valid_q <= 1'b1;
    else if (step_i && tile_end_o && last_tile) valid_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      tiles_q       <= tiles_i - 12'd1;
      pixels_q      <= pixels_i - 22'd1;
      first_group_q <= 1'b1;
      pass_q        <= '0;
      group_q       <= '0;
      pixel_q       <= '0;
    end else if (step_i) begin
      pixel_q <= last_pixel ? '0 : pixel_q + 1'b1;
      if (last_pixel) group_q <= last_group ? '0 : group_q + 4'd1;
      if (pass_end_o) pass_q <= last_pass_o ? '0 : pass_q + 4'd1;
      if (pass_end_o && last_pass_o) begin
        pixels_q      <= last_pixels ? pixels_i - 22'd1 : pixels_q - 22'(P);
        first_group_q <= last_pixels;
      end
      if (tile_end_o) tiles_q <= tiles_q - 12'd1;
    end
  end

  // The current word; the word of this channel group's first pixel; the first words of the next group of pixels and
  // of the next tile, kept when the walk passes them.
  logic [23:0] addr_q, group_addr_q, pixels_addr_q, tile_addr_q;
  logic        half_q, tile_half_q, next_tile_half_q, half_next;
  logic [23:0] after_pixel, after_group, group_step, group_twice_q, group_twice, addr_next;

  assign addr_o     = addr_q;
  assign half_o     = half_q;
  assign half_next  = half_q ^ (Q == 8);
  assign group_step = Q == 8 && !half_q ? 24'd0 : Q == 32 ? group_twice_q : group_i;

  msq_addr_add #(.BANKS(BANKS)) u_pixel (.a_i(addr_q), .b_i(pixel_i), .sum_o(after_pixel));
  msq_addr_add #(.BANKS(BANKS)) u_group (.a_i(group_addr_q), .b_i(group_step), .sum_o(after_group));
  msq_addr_add #(.BANKS(BANKS)) u_twice (.a_i(group_i), .b_i(group_i), .sum_o(group_twice));

  always_comb begin
    if (pass_end_o && last_pixels) addr_next = first_group_q ? after_group : tile_addr_q;
    else if (pass_end_o) addr_next = group_q == '0 ? after_pixel : pixels_addr_q;
    else if (last_pixel) addr_next = after_group;
    else addr_next = after_pixel;
  end

  always_ff @(posedge clk_i) begin
    group_twice_q <= group_twice;
    if (start_i) begin
      addr_q       <= base_i;
      group_addr_q <= base_i;
      half_q       <= half_i;
      tile_half_q  <= half_i;
    end else if (step_i && last_pass_o) begin
      addr_q <= addr_next;
      if (last_pixel) begin
        group_addr_q <= addr_next;
        if (group_q == '0) pixels_addr_q <= after_pixel;
        if (!pass_end_o) begin
          half_q <= half_next;
        end else begin
          if (first_group_q) begin
            tile_addr_q      <= after_group;
            next_tile_half_q <= half_next;
          end
          if (!last_pixels) begin
            half_q <= tile_half_q;
          end else begin
            half_q      <= first_group_q ? half_next : next_tile_half_q;
            tile_half_q <= first_group_q ? half_next : next_tile_half_q;
          end
        end
      end
    end
  end
endmodule
