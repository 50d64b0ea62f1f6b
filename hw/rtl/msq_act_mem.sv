// The activation memory: BANKS banks of DEPTH words of 64 bits, port A for CONV, port B for all other units.
//
// Port A: each bank reads a_row_i where a_en_i; the word is on a_data_o 2 cycles later. It never waits.
// Port B: clients ask with valid and an address {row, bank}; ready is decided in the same cycle, bank by bank, by fixed
// priority: drain writes, skip reads (NW of each), vec reads (NV), load writes (NL), store read, vec writes (NV); VEC is
// the slowest of them and reads a word a cycle, the others have buffers and gaps. Each bank serves one client a cycle,
// so that clients of different banks do not meet. A granted write is readable on both ports from the next cycle on; a
// granted read's data come 2 cycles later with rvalid. dw_mask_i writes halves of a word (bit 0: bits 31..0).
// A row outside 0..DEPTH-1 or a bank that is not there is granted, dropped (a read gives 0) and reported by
// range_err_o, a pulse one cycle later. b_activity_o: something was granted the cycle before. ready depends on the other
// clients' valid and addresses and on the own address, never on the own valid.
module msq_act_mem #(
  parameter int BANKS = 3,
  parameter int DEPTH = 2048,
  parameter int NW    = 1,
  parameter int NL    = 1,
  parameter int NV    = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic [BANKS-1:0]    a_en_i,
  input  logic [BANKS*20-1:0] a_row_i,
  output logic [BANKS*64-1:0] a_data_o,

  input  logic [NW-1:0]       dw_valid_i,
  output logic [NW-1:0]       dw_ready_o,
  input  logic [NW*24-1:0]    dw_addr_i,
  input  logic [NW*64-1:0]    dw_data_i,
  input  logic [NW*2-1:0]     dw_mask_i,

  input  logic [NW-1:0]       sr_valid_i,
  output logic [NW-1:0]       sr_ready_o,
  input  logic [NW*24-1:0]    sr_addr_i,
  output logic [NW-1:0]       sr_rvalid_o,
  output logic [NW*64-1:0]    sr_rdata_o,

  input  logic [NL-1:0]       lw_valid_i,
  output logic [NL-1:0]       lw_ready_o,
  input  logic [NL*24-1:0]    lw_addr_i,
  input  logic [NL*64-1:0]    lw_data_i,

  input  logic                st_valid_i,
  output logic                st_ready_o,
  input  logic [23:0]         st_addr_i,
  output logic                st_rvalid_o,
  output logic [63:0]         st_rdata_o,

  input  logic [NV-1:0]       vr_valid_i,
  output logic [NV-1:0]       vr_ready_o,
  input  logic [NV*24-1:0]    vr_addr_i,
  output logic [NV-1:0]       vr_rvalid_o,
  output logic [NV*64-1:0]    vr_rdata_o,

  input  logic [NV-1:0]       vw_valid_i,
  output logic [NV-1:0]       vw_ready_o,
  input  logic [NV*24-1:0]    vw_addr_i,
  input  logic [NV*64-1:0]    vw_data_i,

  output logic                range_err_o,
  output logic                b_activity_o
);
  localparam int VR = 2 * NW, LW = VR + NV, ST = LW + NL, VW = ST + 1;  // the first of each, in order of priority
  localparam int C  = VW + NV;        // clients
  localparam int WC = NW + NL + NV;   // writing ones: drain, load, vec
  localparam int RC = NW + NV + 1;    // reading ones: skip, vec, store
  localparam int RB = $clog2(DEPTH);

  logic [C-1:0]        valid, ready, ok;
  logic [C*24-1:0]     addr;
  logic [RC*BANKS-1:0] wins;  // reading client r gets bank b at r*BANKS + b
  logic [BANKS-1:0]    a_ok;
  logic [BANKS*64-1:0] b_data;

  assign valid = {vw_valid_i, st_valid_i, lw_valid_i, vr_valid_i, sr_valid_i, dw_valid_i};
  assign addr  = {vw_addr_i, st_addr_i, lw_addr_i, vr_addr_i, sr_addr_i, dw_addr_i};
  assign {vw_ready_o, st_ready_o, lw_ready_o, vr_ready_o, sr_ready_o, dw_ready_o} = ready;

  // Where each client's row lies is found out beside the arbitration, not behind it.
  logic [C*12-1:0] piece;
  for (genvar c = 0; c < C; c++) begin : gen_ok
    msq_act_piece #(.DEPTH(DEPTH)) u_piece (.row_i(addr[24*c+4 +: 20]), .piece_o(piece[12*c +: 12]));
    assign ok[c] = |piece[12*c +: 12] && {28'b0, addr[24*c +: 4]} < 32'(BANKS);
  end

  // The client's bank is wanted by nobody of higher priority. A missing bank is wanted by all who name it at once.
  for (genvar c = 0; c < C; c++) begin : gen_ready
    always_comb begin
      ready[c] = 1'b1;
      for (int h = 0; h < c; h++) begin
        if (valid[h] && addr[24*h +: 4] == addr[24*c +: 4]) ready[c] = 1'b0;
      end
    end
  end

  for (genvar b = 0; b < BANKS; b++) begin : gen_bank
    logic          write;
    logic [C-1:0]  hit;
    logic [C-1:0]  win;
    logic [WC-1:0] writer;
    logic [RB-1:0] row;
    logic [11:0]   a_piece, b_piece;
    logic [1:0]    mask;
    logic [63:0]   data;

    for (genvar c = 0; c < C; c++) begin : gen_win
      assign hit[c] = valid[c] && addr[24*c +: 4] == 4'(b);
      if (c == 0) begin : gen_first
        assign win[c] = hit[c];
      end else begin : gen_other
        assign win[c] = hit[c] && !(|hit[c-1:0]);
      end
    end
    for (genvar r = 0; r < RC; r++) begin : gen_reader
      assign wins[r*BANKS + b] = win[r < NW + NV ? NW + r : ST];
    end

    assign writer = {win[VW +: NV], win[LW +: NL], win[NW-1:0]};
    assign write  = |writer;
    always_comb begin
      row     = '0;
      b_piece = '0;
      mask    = '0;
      data    = '0;
      for (int c = 0; c < C; c++) begin
        row     |= addr[24*c+4 +: RB] & {RB{win[c]}};
        b_piece |= piece[12*c +: 12] & {12{win[c]}};
      end
      for (int c = 0; c < NW; c++) begin
        mask |= dw_mask_i[2*c +: 2] & {2{win[c]}};
        data |= dw_data_i[64*c +: 64] & {64{win[c]}};
      end
      if (|writer[WC-1:NW]) mask = 2'b11;
      for (int c = 0; c < NL; c++) data |= lw_data_i[64*c +: 64] & {64{win[LW+c]}};
      for (int c = 0; c < NV; c++) data |= vw_data_i[64*c +: 64] & {64{win[VW+c]}};
    end

    msq_act_piece #(.DEPTH(DEPTH)) u_piece (.row_i(a_row_i[20*b +: 20]), .piece_o(a_piece));
    assign a_ok[b] = |a_piece;
    msq_act_bank #(.DEPTH(DEPTH)) u_bank (
      .clk_i,
      .a_piece_i(a_piece & {12{a_en_i[b]}}), .a_row_i(a_row_i[20*b +: RB]), .a_data_o(a_data_o[64*b +: 64]),
      .b_piece_i(b_piece), .b_write_i(write), .b_mask_i(mask), .b_row_i(row), .b_data_i(data),
      .b_data_o(b_data[64*b +: 64])
    );
  end

  // Reads come back: which bank each reading client got, two cycles on.
  logic [RC-1:0]    rvalid;
  logic [RC*64-1:0] rdata;
  for (genvar r = 0; r < RC; r++) begin : gen_read
    localparam int c = r < NW + NV ? NW + r : ST;
    logic             valid1_q, valid2_q;
    logic [BANKS-1:0] bank1_q, bank2_q;
    logic [63:0]      word;

    always_ff @(posedge clk_i) begin
      bank1_q <= wins[r*BANKS +: BANKS];
      bank2_q <= bank1_q;
      if (!rst_ni) begin
        valid1_q <= 1'b0;
        valid2_q <= 1'b0;
      end else begin
        valid1_q <= valid[c] && ready[c];
        valid2_q <= valid1_q;
      end
    end
    always_comb begin
      word = '0;
      for (int b = 0; b < BANKS; b++) word |= b_data[64*b +: 64] & {64{bank2_q[b]}};
    end
    assign rvalid[r] = valid2_q;
    assign rdata[64*r +: 64] = word;
  end
  assign {st_rvalid_o, vr_rvalid_o, sr_rvalid_o} = rvalid;
  assign {st_rdata_o, vr_rdata_o, sr_rdata_o} = rdata;

  always_ff @(posedge clk_i) begin
    b_activity_o <= |(valid & ready);
    if (!rst_ni) range_err_o <= 1'b0;
    else         range_err_o <= |(valid & ready & ~ok) || |(a_en_i & ~a_ok);
  end

`ifndef SYNTHESIS
  initial begin
    assert (BANKS >= 2 && BANKS <= 15) else $fatal(1, "BANKS must fit a bank field");
    assert (DEPTH <= 1 << 19) else $fatal(1, "DEPTH must fit a row field");
  end
`endif
endmodule
