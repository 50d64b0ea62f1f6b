// The order of the array's items, and where each one's word lies: tiles, groups of P pixels, passes, groups of Q
// channels, pixels (fastest).
//
// start_i begins a walk with the configuration inputs, which stay constant from then on; from the next cycle until
// after the last item valid_o is 1 and the outputs describe the current item. step_i goes on to the next one, one a
// cycle; stop_i ends the walk. Addresses move in the last pass only. Q = 8: half_o is the half of the word, tile_i is not
// used.
module msq_drain_walk #(
  parameter int P     = 4,
  parameter int O     = 32,
  parameter int Q     = 16,
  parameter int BANKS = 5,
  parameter int TILES = 1   // 0: tiles follow each other as groups do, as for Q = 8
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        stop_i,
  input  logic [11:0] tiles_i,
  input  logic [3:0]  last_groups_i,  // of Q channels in the last tile
  input  logic [21:0] pixels_i,       // less one
  input  logic [3:0]  passes_i,
  input  logic [23:0] base_i,         // the first word
  input  logic        half_i,         // the first half
  input  logic [23:0] pixel_i,        // from one pixel to the next
  input  logic [23:0] group_i,        // from one word of 16 channels to the next
  input  logic [23:0] tile_i,         // from the first word of a tile's last Q channels to the first of the next tile
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
  localparam int GROUPS = O / Q;

  // Counts go down to 0, and what depends on wide ones is a register: all of this decides within one cycle.
  logic          valid_q, first_pixels_q, last_pixels_q, last_tile_q;
  logic [11:0]   tiles_q;                       // after this one
  logic [21:0]   pixels_q;                      // after the group, less one
  logic [3:0]    passes_q, group_q, groups_q;   // passes, groups after this one
  logic [3:0]    tile_groups_q;                 // groups of the tile, less one
  logic [PW-1:0] run_q, left_q;                 // pixels of the group, less one; after this one
  logic          last_pixel, last_group_q, next_tile_last;

  assign last_pixel     = left_q == '0;
  assign next_tile_last = start_i ? tiles_i == 12'd1 : tiles_q == 12'd1;
  assign last_pass_o    = passes_q == '0;
  assign pass_end_o     = last_pixel && last_group_q;
  assign tile_end_o     = pass_end_o && last_pass_o && last_pixels_q;
  assign group_o        = group_q;
  assign valid_o        = valid_q;

  // What the next group of pixels, the next tile begin with.
  logic [21:0]   next_pixels;
  logic [PW-1:0] next_run;
  logic [3:0]    next_groups;
  logic          next_pixels_last;

  assign next_pixels      = start_i || last_pixels_q ? pixels_i : pixels_q;
  assign next_pixels_last = next_pixels < 22'(P);
  assign next_run         = next_pixels_last ? next_pixels[PW-1:0] : PW'(P - 1);
  assign next_groups      = next_tile_last ? last_groups_i - 4'd1 : 4'(GROUPS - 1);

  always_ff @(posedge clk_i) begin
    valid_q <= rst_ni && !stop_i && (start_i || (valid_q && !(step_i && tile_end_o && last_tile_q)));
  end

  always_ff @(posedge clk_i) begin
    if (start_i || (step_i && pass_end_o && last_pass_o)) begin
      pixels_q       <= next_pixels - 22'(P);
      last_pixels_q  <= next_pixels_last;
      first_pixels_q <= start_i || last_pixels_q;
      run_q          <= next_run;
      left_q         <= next_run;
    end else if (step_i) begin
      left_q <= last_pixel ? run_q : left_q - 1'b1;
    end
    if (start_i || (step_i && tile_end_o)) begin
      tiles_q       <= start_i ? tiles_i - 12'd1 : tiles_q - 12'd1;
      last_tile_q   <= next_tile_last;
      tile_groups_q <= next_groups;
      groups_q      <= next_groups;
      last_group_q  <= next_groups == '0;
      group_q       <= '0;
    end else if (step_i && last_pixel) begin
      groups_q     <= last_group_q ? tile_groups_q : groups_q - 4'd1;
      last_group_q <= last_group_q ? tile_groups_q == '0 : groups_q == 4'd1;
      group_q      <= last_group_q ? '0 : group_q + 4'd1;
    end
    if (start_i) passes_q <= passes_i - 4'd1;
    else if (step_i && pass_end_o) passes_q <= last_pass_o ? passes_i - 4'd1 : passes_q - 4'd1;
  end

  // The current word; the word of this channel group's first pixel; the first words of the next group of pixels and
  // of the next tile, kept when the walk passes them.
  logic [23:0] addr_q, group_addr_q, pixels_addr_q, tile_addr_q;
  logic        half_q, tile_half_q, next_tile_half_q, half_next;
  logic [23:0] after_pixel, after_group, group_step, group_twice_q, group_twice, addr_next;

  assign addr_o     = addr_q;
  assign half_o     = half_q;
  assign half_next  = half_q ^ (Q == 8);
  assign group_step = Q == 8 ? (half_q ? group_i : 24'd0) :
                      TILES != 0 && last_group_q ? tile_i : Q == 32 ? group_twice_q : group_i;

  msq_addr_add #(.BANKS(BANKS)) u_pixel (.a_i(addr_q), .b_i(pixel_i), .sum_o(after_pixel));
  msq_addr_add #(.BANKS(BANKS)) u_group (.a_i(group_addr_q), .b_i(group_step), .sum_o(after_group));
  msq_addr_add #(.BANKS(BANKS)) u_twice (.a_i(group_i), .b_i(group_i), .sum_o(group_twice));

  // The sums come late: one choice after them.
  logic [23:0] kept;
  logic        take_kept, take_group;

  assign kept       = start_i ? base_i : last_pixels_q ? tile_addr_q : pixels_addr_q;
  assign take_kept  = start_i || (pass_end_o && (last_pixels_q ? !first_pixels_q : group_q != '0));
  assign take_group = last_pixel && (!last_group_q || last_pixels_q);
  assign addr_next  = take_kept ? kept : take_group ? after_group : after_pixel;

  always_ff @(posedge clk_i) begin
    group_twice_q <= group_twice;
    if (start_i || (step_i && last_pass_o)) addr_q <= addr_next;
    if (start_i || (step_i && last_pass_o && last_pixel)) group_addr_q <= addr_next;
    if (start_i) begin
      half_q      <= half_i;
      tile_half_q <= half_i;
    end else if (step_i && last_pass_o && last_pixel) begin
      if (group_q == '0) pixels_addr_q <= after_pixel;
      if (!pass_end_o) begin
        half_q <= half_next;
      end else begin
        if (first_pixels_q) begin
          tile_addr_q      <= after_group;
          next_tile_half_q <= half_next;
        end
        if (!last_pixels_q) begin
          half_q <= tile_half_q;
        end else begin
          half_q      <= first_pixels_q ? half_next : next_tile_half_q;
          tile_half_q <= first_pixels_q ? half_next : next_tile_half_q;
        end
      end
    end
  end
endmodule
