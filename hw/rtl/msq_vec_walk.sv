// The loops of a VEC instruction: names each word that VEC reads, one a cycle, and the steps to its addresses.
//
// Order: groups, output rows, output columns, window rows, window columns, planes (fastest). The fields of the
// instruction are there from start_i on and stay; from the next cycle on valid_o is 1 until the last word has been
// taken with go_i. stop_i ends the walk after the tap under way. Of the word: read_o = the tap lies inside the input;
// high_o = it is of plane 1; first_o, last_o = the tap is the output's first, last; in_step_o = how its address follows
// from an earlier one; out_step_o = the same of the address to which the output's word of this plane goes. Steps:
//   0 from nothing  1 from a tap to the next  2 .. of the next row  3 to the next output  4 .. of the next row
//   5 .. of the next group  6 to the high plane
module msq_vec_walk (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        stop_i,
  input  logic        go_i,
  input  logic        wide_i,
  input  logic [11:0] groups_i,
  input  logic [11:0] out_height_i,
  input  logic [11:0] out_width_i,
  input  logic [4:0]  kernel_h_i,
  input  logic [4:0]  kernel_w_i,
  input  logic [3:0]  stride_y_i,
  input  logic [3:0]  stride_x_i,
  input  logic [11:0] in_height_i,
  input  logic [11:0] in_width_i,
  input  logic [12:0] first_y_i,
  input  logic [12:0] first_x_i,

  output logic        valid_o,
  output logic        read_o,
  output logic        high_o,
  output logic        first_o,
  output logic        last_o,
  output logic [2:0]  in_step_o,
  output logic [2:0]  out_step_o
);
  localparam logic [2:0] StepStart  = 3'd0;
  localparam logic [2:0] StepTap    = 3'd1;
  localparam logic [2:0] StepTapRow = 3'd2;
  localparam logic [2:0] StepPixel  = 3'd3;
  localparam logic [2:0] StepRow    = 3'd4;
  localparam logic [2:0] StepGroup  = 3'd5;
  localparam logic [2:0] StepPlane  = 3'd6;

  // Input coordinates: from -2^12 to 4095 + 4094 * 15 + 30 < 2^16; what 16 bits confuse is all outside.
  localparam int CW = 16;

  logic          valid_q, high_q, first_q;
  logic [2:0]    in_step_q, out_step_q;
  logic [4:0]    kx_q, ky_q;
  logic [11:0]   ox_q, oy_q, group_q;
  logic [CW-1:0] x_q, y_q;    // of the tap
  logic [CW-1:0] x0_q, y0_q;  // of the output's first tap
  logic [CW-1:0] first_x, first_y, next_x0, next_y0;
  logic          tap_end, window_end, row_end, map_end;
  logic          kx_end_q, ky_end_q, ox_end_q, oy_end_q, group_end_q;  // the counter is 1; registers

  assign first_x = {{(CW - 13){first_x_i[12]}}, first_x_i};
  assign first_y = {{(CW - 13){first_y_i[12]}}, first_y_i};

  assign tap_end    = !wide_i || high_q;
  assign window_end = tap_end && kx_end_q && ky_end_q;
  assign row_end    = window_end && ox_end_q;
  assign map_end    = row_end && oy_end_q;

  assign next_x0 = ox_end_q ? first_x : x0_q + CW'(stride_x_i);
  assign next_y0 = !ox_end_q ? y0_q : oy_end_q ? first_y : y0_q + CW'(stride_y_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
    end else if (start_i) begin
      valid_q <= 1'b1;
    end else if (go_i && tap_end && ((map_end && group_end_q) || stop_i)) begin
      valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      high_q      <= 1'b0;
      first_q     <= 1'b1;
      in_step_q   <= StepStart;
      out_step_q  <= StepStart;
      kx_q        <= kernel_w_i;
      ky_q        <= kernel_h_i;
      ox_q        <= out_width_i;
      oy_q        <= out_height_i;
      group_q     <= groups_i;
      kx_end_q    <= kernel_w_i == 5'd1;
      ky_end_q    <= kernel_h_i == 5'd1;
      ox_end_q    <= out_width_i == 12'd1;
      oy_end_q    <= out_height_i == 12'd1;
      group_end_q <= groups_i == 12'd1;
      x_q         <= first_x;
      y_q         <= first_y;
      x0_q        <= first_x;
      y0_q        <= first_y;
    end else if (go_i && !tap_end) begin
      high_q    <= 1'b1;
      in_step_q <= StepPlane;
    end else if (go_i) begin
      high_q   <= 1'b0;
      first_q  <= window_end;
      kx_q     <= kx_end_q ? kernel_w_i : kx_q - 5'd1;
      kx_end_q <= kx_end_q ? kernel_w_i == 5'd1 : kx_q == 5'd2;
      x_q      <= window_end ? next_x0 : kx_end_q ? x0_q : x_q + CW'(1);
      if (!kx_end_q) begin
        in_step_q <= StepTap;
      end else if (!ky_end_q) begin
        in_step_q <= StepTapRow;
        ky_q      <= ky_q - 5'd1;
        ky_end_q  <= ky_q == 5'd2;
        y_q       <= y_q + CW'(1);
      end else begin
        in_step_q  <= !ox_end_q ? StepPixel : !oy_end_q ? StepRow : StepGroup;
        out_step_q <= !ox_end_q ? StepPixel : !oy_end_q ? StepRow : StepGroup;
        ky_q       <= kernel_h_i;
        ky_end_q   <= kernel_h_i == 5'd1;
        ox_q       <= ox_end_q ? out_width_i : ox_q - 12'd1;
        ox_end_q   <= ox_end_q ? out_width_i == 12'd1 : ox_q == 12'd2;
        x0_q       <= next_x0;
        y0_q       <= next_y0;
        y_q        <= next_y0;
        if (row_end) begin
          oy_q     <= oy_end_q ? out_height_i : oy_q - 12'd1;
          oy_end_q <= oy_end_q ? out_height_i == 12'd1 : oy_q == 12'd2;
        end
        if (map_end) begin
          group_q     <= group_q - 12'd1;
          group_end_q <= group_q == 12'd2;
        end
      end
    end
  end

  assign valid_o    = valid_q;
  assign high_o     = high_q;
  assign first_o    = first_q;
  assign last_o     = kx_end_q && ky_end_q;
  assign in_step_o  = in_step_q;
  assign out_step_o = high_q ? StepPlane : out_step_q;
  // Negative coordinates are large ones without sign.
  assign read_o = (y_q < CW'(in_height_i)) && (x_q < CW'(in_width_i));
endmodule
