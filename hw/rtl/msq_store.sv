// The STORE unit: words from the activation memory to DRAM.
//
// One instruction at a time. Words are read one a cycle while st_ready_i is 1, as far as the buffer of DEPTH words has
// room (st_rdata_i comes with st_rvalid_i, a fixed number of cycles after the grant); a burst is asked for when all its
// words are there, so that the write port never waits for them. done_o pulses when the port has the last response
// (wr_idle_i). error_o pulses instead, and nothing is done, when a count is 0 or a DRAM address no multiple of 8;
// addresses are checked where they are used. With abort_i nothing new is begun; bursts that the port has accepted get
// their words.
module msq_store #(
  parameter int BANKS = 5,
  parameter int DEPTH = 64  // a power of two, at least 32, at most 128
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic          cmd_valid_i,
  output logic          cmd_ready_o,
  input  logic [1023:0] cmd_instr_i,
  output logic          done_o,
  output logic          error_o,
  input  logic          abort_i,
  output logic          idle_o,

  output logic          req_valid_o,
  input  logic          req_ready_i,
  output logic [47:0]   req_addr_o,
  output logic [4:0]    req_beats_o,
  output logic          wdata_valid_o,
  input  logic          wdata_ready_i,
  output logic [63:0]   wdata_o,
  input  logic          wr_idle_i,

  output logic          st_valid_o,
  input  logic          st_ready_i,
  output logic [23:0]   st_addr_o,
  input  logic          st_rvalid_i,
  input  logic [63:0]   st_rdata_i
);
  logic       active_q, take, illegal, start, asked, asked_q, read, sent;
  logic       burst_valid, bursts_done, words_valid;
  logic [7:0] used_q;   // words in the buffer or asked of the memory
  logic [7:0] due_q;    // words asked of the memory
  logic [7:0] free_q;   // words in the buffer that belong to no burst yet
  logic [7:0] bound_q;  // words in the buffer that the write port waits for
  logic [4:0] asked_beats_q;
  logic       complete;
  logic       unused_last, unused_fields;

  assign cmd_ready_o = !active_q && due_q == '0 && !error_o && !abort_i;
  assign take        = cmd_valid_i && cmd_ready_o;
  assign illegal     = cmd_instr_i[msq_isa::STORE_ROWS_LSB+:16] == '0 ||
                       cmd_instr_i[msq_isa::STORE_ROW_WORDS_LSB+:16] == '0 ||
                       cmd_instr_i[msq_isa::STORE_DRAM_LSB+:3] != '0 ||
                       cmd_instr_i[msq_isa::STORE_DRAM_ROW_STRIDE_LSB+:3] != '0;
  assign start       = take && !illegal;
  assign unused_fields = ^cmd_instr_i;

  msq_act_walk #(.BANKS(BANKS)) u_words_walk (
    .clk_i, .rst_ni, .load_i(start), .stop_i(abort_i),
    .rows_i(cmd_instr_i[msq_isa::STORE_ROWS_LSB+:16]), .row_words_i(cmd_instr_i[msq_isa::STORE_ROW_WORDS_LSB+:16]),
    .act_i(cmd_instr_i[msq_isa::STORE_ACT_LSB+:24]), .step_i(cmd_instr_i[msq_isa::STORE_ACT_STEP_LSB+:24]),
    .row_step_i(cmd_instr_i[msq_isa::STORE_ACT_ROW_STEP_LSB+:24]),
    .next_i(read), .valid_o(words_valid), .addr_o(st_addr_o), .last_o(unused_last)
  );

  assign st_valid_o = words_valid && used_q < 8'(DEPTH);
  assign read       = st_valid_o && st_ready_i;

  msq_fifo #(.WIDTH(64), .DEPTH(DEPTH)) u_words (
    .clk_i, .rst_ni, .clear_i(start), .wr_valid_i(st_rvalid_i), .wr_data_i(st_rdata_i),
    .rd_valid_o(wdata_valid_o), .rd_ready_i(sent), .rd_data_o(wdata_o)
  );

  msq_dram_walk u_bursts (
    .clk_i, .rst_ni, .load_i(start), .stop_i(abort_i),
    .rows_i(cmd_instr_i[msq_isa::STORE_ROWS_LSB+:16]), .row_words_i(cmd_instr_i[msq_isa::STORE_ROW_WORDS_LSB+:16]),
    .dram_i(cmd_instr_i[msq_isa::STORE_DRAM_LSB+:48]),
    .row_stride_i(cmd_instr_i[msq_isa::STORE_DRAM_ROW_STRIDE_LSB+:32]),
    .next_i(asked), .valid_o(burst_valid), .addr_o(req_addr_o), .beats_o(req_beats_o), .done_o(bursts_done)
  );

  // That a burst's words are there is found out a cycle before, and counted a cycle after, it is asked for; meanwhile
  // there can only be more.
  assign asked    = req_valid_o && req_ready_i;
  assign sent     = wdata_valid_o && wdata_ready_i;
  assign complete = active_q && bursts_done && !asked_q && bound_q == '0 && wr_idle_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || abort_i) req_valid_o <= 1'b0;
    else req_valid_o <= burst_valid && !asked && free_q >= 8'(req_beats_o);
    asked_q       <= rst_ni && asked;
    asked_beats_q <= req_beats_o;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      used_q   <= '0;
      due_q    <= '0;
      free_q   <= '0;
      bound_q  <= '0;
      done_o   <= 1'b0;
      error_o  <= 1'b0;
    end else begin
      due_q   <= due_q + 8'(read) - 8'(st_rvalid_i);
      bound_q <= bound_q + (asked_q ? 8'(asked_beats_q) : 8'd0) - 8'(sent);
      done_o  <= complete && !abort_i;
      error_o <= take && illegal;
      if (start) begin
        active_q <= 1'b1;
        used_q   <= '0;
        free_q   <= '0;
      end else begin
        if (complete || abort_i) active_q <= 1'b0;
        used_q <= used_q + 8'(read) - 8'(sent);
        free_q <= free_q + 8'(st_rvalid_i) - (asked_q ? 8'(asked_beats_q) : 8'd0);
      end
    end
  end

  assign idle_o = !active_q && !asked_q && due_q == '0 && bound_q == '0 && wr_idle_i && !done_o && !error_o;
endmodule
