// The activation memory: BANKS banks of DEPTH words of 64 bits, port A for CONV, port B for all other units.
//
// Port A: each bank reads a_row_i where a_en_i; the word is on a_data_o 2 cycles later. It never waits.
// Port B: clients ask with valid and an address {row, bank}; ready is decided in the same cycle, bank by bank, by fixed
// priority: drain writes, skip reads (NW of each), vec reads (NV), load writes (NL), store read, vec writes (NV); VEC is
// the slowest of them and reads a word a cycle, the others have buffers and gaps. Each bank serves one client a cycle,
// so that clients of different banks do not meet. What was granted reaches the banks a cycle later: a granted write is
// readable on port B from the next cycle on, on port A from the one after that; a granted read's data come 3 cycles
// later with rvalid. dw_mask_i writes halves of a word (bit 0: bits 31..0).
// A row outside 0..DEPTH-1 or a bank that is not there is granted, dropped (a read gives 0) and reported by
// range_err_o, a pulse one cycle later (port A) or two (port B). b_activity_o: something was granted the cycle before.
// ready depends on the other clients' valid and addresses and on the own address, never on the own valid.
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

  logic [C-1:0]        valid, ready, ok_q, taken_q;
  logic [C*24-1:0]     addr;
  logic [C-1:0]        win_q [BANKS];  // client c got the bank
  logic [BANKS-1:0]    a_ok;
  logic [BANKS*64-1:0] b_data;

  assign valid = {vw_valid_i, st_valid_i, lw_valid_i, vr_valid_i, sr_valid_i, dw_valid_i};
  assign addr  = {vw_addr_i, st_addr_i, lw_addr_i, vr_addr_i, sr_addr_i, dw_addr_i};
  assign {vw_ready_o, st_ready_o, lw_ready_o, vr_ready_o, sr_ready_o, dw_ready_o} = ready;

  // First cycle: who gets which bank. The client's bank is wanted by nobody of higher priority; a missing bank is wanted
  // by all who name it at once. What each client asks for is kept beside that, granted or not.
  logic [RB-1:0] row_q   [C];
  logic [11:0]   piece_q [C];
  for (genvar c = 0; c < C; c++) begin : gen_client
    logic [11:0] piece;
    msq_act_piece #(.DEPTH(DEPTH)) u_piece (.row_i(addr[24*c+4 +: 20]), .piece_o(piece));

    always_comb begin
      ready[c] = 1'b1;
      for (int h = 0; h < c; h++) begin
        if (valid[h] && addr[24*h +: 4] == addr[24*c +: 4]) ready[c] = 1'b0;
      end
    end

    always_ff @(posedge clk_i) begin
      taken_q[c] <= rst_ni && valid[c] && ready[c];
      ok_q[c]    <= |piece && {28'b0, addr[24*c +: 4]} < 32'(BANKS);
      row_q[c]   <= addr[24*c+4 +: RB];
      piece_q[c] <= piece;
      for (int b = 0; b < BANKS; b++) win_q[b][c] <= rst_ni && valid[c] && ready[c] && addr[24*c +: 4] == 4'(b);
    end
  end

  logic [63:0] data_q [WC];
  logic [1:0]  mask_q [NW];
  always_ff @(posedge clk_i) begin
    for (int w = 0; w < NW; w++) data_q[w]           <= dw_data_i[64*w +: 64];
    for (int w = 0; w < NL; w++) data_q[NW + w]      <= lw_data_i[64*w +: 64];
    for (int w = 0; w < NV; w++) data_q[NW + NL + w] <= vw_data_i[64*w +: 64];
    for (int w = 0; w < NW; w++) mask_q[w]           <= dw_mask_i[2*w +: 2];
  end

  // Second cycle: each bank takes what its client asked for.
  for (genvar b = 0; b < BANKS; b++) begin : gen_bank
    logic [WC-1:0] writer;
    logic [RB-1:0] row;
    logic [11:0]   a_piece, b_piece;
    logic [1:0]    mask;
    logic [63:0]   data;

    assign writer = {win_q[b][VW +: NV], win_q[b][LW +: NL], win_q[b][NW-1:0]};
    always_comb begin
      row     = '0;
      b_piece = '0;
      mask    = {2{|writer[WC-1:NW]}};
      data    = '0;
      for (int c = 0; c < C; c++) row     |= row_q[c] & {RB{win_q[b][c]}};
      for (int c = 0; c < C; c++) b_piece |= piece_q[c] & {12{win_q[b][c]}};
      for (int w = 0; w < NW; w++) mask   |= mask_q[w] & {2{writer[w]}};
      for (int w = 0; w < WC; w++) data   |= data_q[w] & {64{writer[w]}};
    end

    msq_act_piece #(.DEPTH(DEPTH)) u_piece (.row_i(a_row_i[20*b +: 20]), .piece_o(a_piece));
    assign a_ok[b] = |a_piece;
    msq_act_bank #(.DEPTH(DEPTH)) u_bank (
      .clk_i,
      .a_piece_i(a_piece & {12{a_en_i[b]}}), .a_row_i(a_row_i[20*b +: RB]), .a_data_o(a_data_o[64*b +: 64]),
      .b_piece_i(b_piece), .b_write_i(|writer), .b_mask_i(mask), .b_row_i(row), .b_data_i(data),
      .b_data_o(b_data[64*b +: 64])
    );
  end

  // Reads come back: which bank each reading client got, two cycles on from the second.
  logic [RC-1:0]    rvalid;
  logic [RC*64-1:0] rdata;
  for (genvar r = 0; r < RC; r++) begin : gen_read
    localparam int c = r < NW + NV ? NW + r : ST;
    logic [1:0]       valid_q;
    logic [BANKS-1:0] bank2_q, bank3_q;
    logic [63:0]      word;

    always_ff @(posedge clk_i) begin
      for (int b = 0; b < BANKS; b++) bank2_q[b] <= win_q[b][c];
      bank3_q <= bank2_q;
      valid_q <= rst_ni ? {valid_q[0], taken_q[c]} : '0;
    end
    always_comb begin
      word = '0;
      for (int b = 0; b < BANKS; b++) word |= b_data[64*b +: 64] & {64{bank3_q[b]}};
    end
    assign rvalid[r] = valid_q[1];
    assign rdata[64*r +: 64] = word;
  end
  assign {st_rvalid_o, vr_rvalid_o, sr_rvalid_o} = rvalid;
  assign {st_rdata_o, vr_rdata_o, sr_rdata_o} = rdata;

  // Whoever is first among those that ask is served.
  always_ff @(posedge clk_i) begin
    b_activity_o <= |valid;
    if (!rst_ni) range_err_o <= 1'b0;
    else         range_err_o <= |(taken_q & ~ok_q) || |(a_en_i & ~a_ok);
  end

`ifndef SYNTHESIS
  initial begin
    assert (BANKS >= 2 && BANKS <= 15) else $fatal(1, "BANKS must fit a bank field");
    assert (DEPTH <= 1 << 19) else $fatal(1, "DEPTH must fit a row field");
  end
`endif
endmodule
