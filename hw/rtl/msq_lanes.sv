// Fetches the words of a step: P lane addresses, row per bank, memory, bank-to-lane crossbar with padding.
//
// take_i loads the lanes of a group (from msq_walker) that issues from the next cycle on use. issue_i: sub-cycle sub_i
// of a step whose tap lies off_i (address), dy_i, dx_i from the lanes' first taps; pad_i is the code that a lane
// outside the input gets 16 times. Fully pipelined, never stalls: the bank reads are on a_en_o, a_row_o 3 cycles later,
// their words come 2 cycles after (a_data_i), and act_o holds each lane's word 6 cycles after the issue of its
// sub-cycle, until the lane's next. Lanes beyond px_i and lanes outside the input read nothing; the former keep their
// word.
module msq_lanes #(
  parameter int P     = 2,
  parameter int BANKS = 3,
  parameter int SW    = P > 1 ? $clog2(P) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [11:0]         in_height_i,
  input  logic [11:0]         in_width_i,

  input  logic                take_i,
  input  logic [P*24-1:0]     addr_i,
  input  logic [P*14-1:0]     y_i,
  input  logic [P*14-1:0]     x_i,
  input  logic [P*SW-1:0]     sub_of_lane_i,
  input  logic [3:0]          px_i,

  input  logic                issue_i,
  input  logic [SW-1:0]       sub_i,
  input  logic [23:0]         off_i,
  input  logic [13:0]         dy_i,
  input  logic [13:0]         dx_i,
  input  logic [3:0]          pad_i,

  output logic [BANKS-1:0]    a_en_o,
  output logic [BANKS*20-1:0] a_row_o,
  input  logic [BANKS*64-1:0] a_data_i,
  output logic [P*64-1:0]     act_o
);
  // Pad codes travel beside the words: 1 to 5.
  logic [3:0] pad_q [5];
  always_ff @(posedge clk_i) begin
    pad_q[0] <= pad_i;
    for (int i = 1; i < 5; i++) pad_q[i] <= pad_q[i-1];
  end

  // 0: the lanes. 1: addresses, coordinates. 2: inside or not.
  logic [P-1:0]  use1, use2, outside2;
  logic [3:0]    bank1 [P];
  logic [3:0]    bank2 [P];
  logic [19:0]   row2 [P];
  for (genvar p = 0; p < P; p++) begin : gen_lane
    logic          valid_q, use1_q, use2_q, outside2_q;
    logic [23:0]   addr_q, addr1_q, sum;
    logic [13:0]   y_q, x_q, y1_q, x1_q;
    logic [SW-1:0] sub_q;
    logic [3:0]    bank2_q;
    logic [19:0]   row2_q;

    msq_addr_add #(.BANKS(BANKS)) u_add (.a_i(addr_q), .b_i(off_i), .sum_o(sum));

    always_ff @(posedge clk_i) begin
      if (take_i) begin
        addr_q  <= addr_i[24*p +: 24];
        y_q     <= y_i[14*p +: 14];
        x_q     <= x_i[14*p +: 14];
        sub_q   <= sub_of_lane_i[SW*p +: SW];
        valid_q <= 4'(p) < px_i;
      end
      addr1_q    <= sum;
      y1_q       <= y_q + dy_i;
      x1_q       <= x_q + dx_i;
      // Negative coordinates are large unsigned ones.
      outside2_q <= y1_q >= {2'b0, in_height_i} || x1_q >= {2'b0, in_width_i};
      bank2_q    <= addr1_q[3:0];
      row2_q     <= addr1_q[23:4];
      if (!rst_ni) begin
        use1_q <= 1'b0;
        use2_q <= 1'b0;
      end else begin
        use1_q <= issue_i && valid_q && sub_q == sub_i;
        use2_q <= use1_q;
      end
    end
    assign use1[p]     = use1_q;
    assign bank1[p]    = addr1_q[3:0];
    assign use2[p]     = use2_q;
    assign outside2[p] = outside2_q;
    assign bank2[p]    = bank2_q;
    assign row2[p]     = row2_q;
  end

  // 2: which lane each bank serves (at most one: sub-cycles see to that). 3: its row.
  for (genvar b = 0; b < BANKS; b++) begin : gen_bank
    logic [P-1:0]  match;
    logic [SW-1:0] lane, lane_q;
    logic          hit_q;
    always_comb begin
      lane = '0;
      for (int p = 0; p < P; p++) begin
        match[p] = use1[p] && bank1[p] == 4'(b);
        if (match[p]) lane |= SW'(p);
      end
    end
    always_ff @(posedge clk_i) begin
      lane_q               <= lane;
      a_row_o[20*b +: 20]  <= row2[lane_q];
      if (!rst_ni) begin
        hit_q     <= 1'b0;
        a_en_o[b] <= 1'b0;
      end else begin
        hit_q     <= |match;
        a_en_o[b] <= hit_q && !outside2[lane_q];
      end
    end
`ifndef SYNTHESIS
    always_ff @(posedge clk_i) begin
      if (rst_ni) assert ((match & (match - P'(1))) == '0) else $error("two lanes read bank %0d at once", b);
    end
`endif
  end

  // 3, 4: wait for the memory. 5: its words are here. 6: the crossbar, whose input BANKS is the pad code.
  localparam int XW = $clog2(BANKS + 1);
  logic [63:0] word [BANKS+1];
  for (genvar b = 0; b < BANKS; b++) begin : gen_word
    assign word[b] = a_data_i[64*b +: 64];
  end
  assign word[BANKS] = {16{pad_q[4]}};

  for (genvar p = 0; p < P; p++) begin : gen_cross
    logic          use3_q, use4_q, use5_q;
    logic [XW-1:0] select3_q, select4_q, select5_q;
    logic [63:0]   act_q;
    always_ff @(posedge clk_i) begin
      select3_q <= outside2[p] ? XW'(BANKS) : XW'(bank2[p]);
      select4_q <= select3_q;
      select5_q <= select4_q;
      if (use5_q) act_q <= word[select5_q];
      if (!rst_ni) begin
        use3_q <= 1'b0;
        use4_q <= 1'b0;
        use5_q <= 1'b0;
      end else begin
        use3_q <= use2[p];
        use4_q <= use3_q;
        use5_q <= use4_q;
      end
    end
    assign act_o[64*p +: 64] = act_q;
  end
endmodule
