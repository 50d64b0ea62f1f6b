// Walks the output pixels of a CONV instruction, one a cycle, and lays groups of P of them out as lanes for msq_lanes.
//
// Every tile visits all pixels anew. A pixel is the address of its first tap's word (plane 0, first tile), that tap's
// row and column, and its sub-cycle: how many earlier lanes of the group use the same bank. Lanes of a group keep their
// distances through all taps, so that this holds for the whole group.
// start_i (a cycle with instr_i valid, stable until the last group is taken) begins at the first pixel. full_o: a group
// is there, its px_o first lanes valid; take_i (only with full_o) frees the lanes, and the next group's first pixel may
// come in the same cycle: a group is ready P cycles after the one before was taken. The group needs 1 + max_sub_o
// cycles a step; first_o, tile_last_o, end_o: it is the first of its tile, the last of its tile, of the last tile.
module msq_walker #(
  parameter int P     = 2,
  parameter int BANKS = 3,
  parameter int SW    = P > 1 ? $clog2(P) : 1
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            start_i,
  input  logic            abort_i,
  /* verilator lint_off UNUSEDSIGNAL */  // the walk has a share of the fields
  input  logic [1023:0]   instr_i,
  /* verilator lint_on UNUSEDSIGNAL */

  output logic            full_o,
  input  logic            take_i,
  output logic [P*24-1:0] addr_o,
  output logic [P*14-1:0] y_o,
  output logic [P*14-1:0] x_o,
  output logic [P*SW-1:0] sub_o,
  output logic [3:0]      px_o,
  output logic [SW-1:0]   max_sub_o,
  output logic            first_o,
  output logic            tile_last_o,
  output logic            end_o
);
  logic [21:0] pixels;
  logic [11:0] width, tiles;
  logic [2:0]  stride_y, stride_x;
  logic [12:0] first_y, first_x;
  logic [23:0] in, in_pixel, in_row;

  assign pixels   = instr_i[msq_isa::CONV_PIXELS_LSB +: 22];
  assign width    = instr_i[msq_isa::CONV_OUT_WIDTH_LSB +: 12];
  assign tiles    = instr_i[msq_isa::CONV_TILES_LSB +: 12];
  assign stride_y = instr_i[msq_isa::CONV_STRIDE_Y_LSB +: 3];
  assign stride_x = instr_i[msq_isa::CONV_STRIDE_X_LSB +: 3];
  assign first_y  = instr_i[msq_isa::CONV_FIRST_Y_LSB +: 13];
  assign first_x  = instr_i[msq_isa::CONV_FIRST_X_LSB +: 13];
  assign in       = instr_i[msq_isa::CONV_IN_LSB +: 24];
  assign in_pixel = instr_i[msq_isa::CONV_IN_PIXEL_LSB +: 24];
  assign in_row   = instr_i[msq_isa::CONV_IN_ROW_LSB +: 24];

  // The next pixel. Counters count down to 1, the last of its row, tile, instruction.
  logic        run_q, tile_first_q;
  logic [23:0] addr_q, addr_sum;
  logic [13:0] y_q, x_q;
  logic [11:0] column_q, tile_q;
  logic [21:0] pixel_q;
  logic [SW-1:0] lane_q;
  logic [P-1:0]  lane_hot_q;
  logic        write, close, row_last_q, pixel_last_q;  // the lasts are found out a pixel before

  assign write = run_q && (!full_o || take_i);
  assign close = lane_hot_q[P-1] || pixel_last_q;

  msq_addr_add #(.BANKS(BANKS)) u_next (.a_i(addr_q), .b_i(row_last_q ? in_row : in_pixel), .sum_o(addr_sum));

  always_ff @(posedge clk_i) begin
    if (start_i || (write && pixel_last_q)) begin
      addr_q       <= in;
      y_q          <= {first_y[12], first_y};
      x_q          <= {first_x[12], first_x};
      column_q     <= width;
      pixel_q      <= pixels;
      row_last_q   <= width == 12'd1;
      pixel_last_q <= pixels == 22'd1;
    end else if (write) begin
      addr_q       <= addr_sum;
      y_q          <= row_last_q ? y_q + {11'b0, stride_y} : y_q;
      x_q          <= row_last_q ? {first_x[12], first_x} : x_q + {11'b0, stride_x};
      column_q     <= row_last_q ? width : column_q - 12'd1;
      pixel_q      <= pixel_q - 22'd1;
      row_last_q   <= row_last_q ? width == 12'd1 : column_q == 12'd2;
      pixel_last_q <= pixel_q == 22'd2;
    end
    if (start_i || (write && close)) begin
      lane_q     <= '0;
      lane_hot_q <= P'(1);
    end else if (write) begin
      lane_q     <= lane_q + SW'(1);
      lane_hot_q <= lane_hot_q << 1;
    end
    if (start_i) tile_q <= tiles;
    else if (write && pixel_last_q) tile_q <= tile_q - 12'd1;
    if (start_i) tile_first_q <= 1'b1;
    else if (write && close) tile_first_q <= pixel_last_q;
    if (!rst_ni || abort_i) run_q <= 1'b0;
    else if (start_i) run_q <= 1'b1;
    else if (write && pixel_last_q && tile_q == 12'd1) run_q <= 1'b0;
    if (!rst_ni || abort_i) full_o <= 1'b0;
    else if (write && close) full_o <= 1'b1;
    else if (take_i) full_o <= 1'b0;
  end

  // Sub-cycles: how many lanes of the group so far used each bank.
  logic [SW-1:0] count [BANKS];
  logic [SW-1:0] sub;
  for (genvar b = 0; b < BANKS; b++) begin : gen_count
    logic [SW-1:0] count_q;
    assign count[b] = lane_hot_q[0] ? '0 : count_q;
    always_ff @(posedge clk_i) begin
      if (write) count_q <= count[b] + SW'(addr_q[3:0] == 4'(b));
    end
  end
  always_comb begin
    sub = '0;
    for (int b = 0; b < BANKS; b++) begin
      if (addr_q[3:0] == 4'(b)) sub |= count[b];
    end
  end

  always_ff @(posedge clk_i) begin
    if (write) begin
      max_sub_o <= lane_hot_q[0] || sub > max_sub_o ? sub : max_sub_o;
      px_o      <= {{(4 - SW){1'b0}}, lane_q} + 4'd1;
      if (close) begin
        first_o     <= tile_first_q;
        tile_last_o <= pixel_last_q;
        end_o       <= tile_q == 12'd1;
      end
    end
  end

  for (genvar p = 0; p < P; p++) begin : gen_lane
    always_ff @(posedge clk_i) begin
      if (write && lane_hot_q[p]) begin
        addr_o[24*p +: 24] <= addr_q;
        y_o[14*p +: 14]    <= y_q;
        x_o[14*p +: 14]    <= x_q;
        sub_o[SW*p +: SW]  <= sub;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) assert (!take_i || full_o) else $error("a group taken that is not there");
  end
`endif
endmodule
