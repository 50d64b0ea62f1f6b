// Writes what one client's lanes give, 16 channels (or L = 8: half a word) an item, to the activation memory.
//
// An item comes in two parts, in the same order: its address when it enters the requantizer (addr_push_i, only while
// room_o), its codes when it leaves it (codes_push_i). Codes of 4 bits are one word, of 8 bits (wide_i) two: low
// nibbles at the address, high ones at address + plane_i. With raw_mode_i the values stay at raw_i while
// raw_valid_i, until raw_take_o: L/2 consecutive words of two values, the lower lane in the low half. One word a cycle
// when they are granted. idle_o: no item inside, every write was granted.
module msq_drain_write #(
  parameter int L     = 16,
  parameter int BANKS = 5,
  parameter int DEPTH = 32
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            wide_i,
  input  logic            raw_mode_i,
  input  logic [23:0]     plane_i,
  output logic            room_o,
  input  logic            addr_push_i,
  input  logic [23:0]     addr_i,
  input  logic            half_i,       // L = 8
  input  logic            codes_push_i,
  input  logic [L*8-1:0]  codes_i,
  input  logic            raw_valid_i,
  input  logic [L*32-1:0] raw_i,
  output logic            raw_take_o,
  output logic            dw_valid_o,
  input  logic            dw_ready_i,
  output logic [23:0]     dw_addr_o,
  output logic [63:0]     dw_data_o,
  output logic [1:0]      dw_mask_o,
  output logic            idle_o
);
  localparam int LW    = $clog2(DEPTH + 1);
  localparam int WORDS = L / 2;  // of raw values
  localparam int WW    = $clog2(WORDS);
  localparam logic [23:0] ONE  = {20'(1 / BANKS), 4'(1 % BANKS)};
  localparam logic [23:0] FOUR = {20'(4 / BANKS), 4'(4 % BANKS)};

  logic           addr_valid, codes_valid, half, available, load, first_q, last;
  logic [23:0]    addr, step, addr_next;
  logic [L*8-1:0] codes;
  logic [LW-1:0]  level;
  logic [WW-1:0]  word_q;

  // Raw values keep the sum registers of the lanes: one item there, one on its way.
  assign room_o = raw_mode_i ? level < LW'(2) : level != LW'(DEPTH);

  msq_level_fifo #(.WIDTH(25), .DEPTH(DEPTH)) u_addr (
    .clk_i, .rst_ni, .push_i(addr_push_i), .data_i({half_i, addr_i}),
    .valid_o(addr_valid), .data_o({half, addr}), .pop_i(load && last), .level_o(level)
  );
  // verilator lint_off PINCONNECTEMPTY
  msq_level_fifo #(.WIDTH(L * 8), .DEPTH(DEPTH)) u_codes (
    .clk_i, .rst_ni, .push_i(codes_push_i), .data_i(codes_i),
    .valid_o(codes_valid), .data_o(codes), .pop_i(load && last && !raw_mode_i), .level_o()
  );
  // verilator lint_on PINCONNECTEMPTY

  assign available  = raw_mode_i ? raw_valid_i : codes_valid;
  assign load       = available && (!dw_valid_o || dw_ready_i);
  assign last       = raw_mode_i ? word_q == WW'(WORDS - 1) : !wide_i || !first_q;
  assign raw_take_o = load && last && raw_mode_i;
  assign idle_o     = !addr_valid && !dw_valid_o;

  always_comb begin
    if (!first_q) step = raw_mode_i ? ONE : plane_i;
    else step = L == 8 && raw_mode_i && half ? FOUR : 24'd0;
  end
  msq_addr_add #(.BANKS(BANKS)) u_next (.a_i(first_q ? addr : dw_addr_o), .b_i(step), .sum_o(addr_next));

  logic [63:0]    raw_words [WORDS];
  logic [L*4-1:0] nibbles;
  logic [63:0]    packed_nibbles;
  logic [1:0]     packed_mask;

  for (genvar i = 0; i < WORDS; i++) begin : gen_raw
    assign raw_words[i] = raw_i[i*64 +: 64];
  end
  for (genvar l = 0; l < L; l++) begin : gen_nibble
    assign nibbles[l*4 +: 4] = first_q ? codes[l*8 +: 4] : codes[l*8+4 +: 4];
  end
  if (L == 8) begin : gen_half
    assign packed_nibbles = {nibbles, nibbles};
    assign packed_mask    = {half, !half};
  end else begin : gen_word
    assign packed_nibbles = nibbles;
    assign packed_mask    = 2'b11;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      dw_valid_o <= 1'b0;
      word_q     <= '0;
      first_q    <= 1'b1;
    end else begin
      if (load) dw_valid_o <= 1'b1;
      else if (dw_ready_i) dw_valid_o <= 1'b0;
      if (load) first_q <= last;
      if (load) word_q <= last ? '0 : word_q + 1'b1;
    end
    if (load) begin
      dw_addr_o <= addr_next;
      dw_data_o <= raw_mode_i ? raw_words[word_q] : packed_nibbles;
      dw_mask_o <= raw_mode_i ? 2'b11 : packed_mask;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!load || addr_valid) else $error("msq_drain_write: values without an address");
    end
  end
`endif
endmodule
