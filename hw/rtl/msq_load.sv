// The LOAD unit: words from DRAM to the activation memory.
//
// One instruction at a time. Bursts run ahead as far as the buffer of DEPTH words has room; words are written in order,
// one a cycle while lw_ready_i is 1. done_o pulses four cycles after the last word was granted, when any reader sees
// it. error_o pulses instead, and nothing is done, when a count is 0 or a DRAM address no multiple of 8; addresses are
// checked where they are used. With abort_i the bursts under way are taken in and dropped.
module msq_load #(
  parameter int BANKS = 5,
  parameter int DEPTH = 64  // a power of two, at most 128
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
  input  logic          data_valid_i,
  input  logic [63:0]   data_i,

  output logic          lw_valid_o,
  input  logic          lw_ready_i,
  output logic [23:0]   lw_addr_o,
  output logic [63:0]   lw_data_o
);
  logic       active_q, take, illegal, start, asked, asked_q, write, write_q, last;
  logic       burst_valid, words_valid, fifo_valid;
  logic [7:0] used_q, due_q;  // words in the buffer or asked for, until a cycle after their write; words asked for
  logic [4:0] asked_beats_q;
  logic [3:0] done_q;
  logic       unused_bursts_done, unused_fields;

  assign cmd_ready_o = !active_q && !asked_q && due_q == '0 && !error_o && !abort_i;
  assign take        = cmd_valid_i && cmd_ready_o;
  assign illegal     = cmd_instr_i[msq_isa::LOAD_ROWS_LSB+:16] == '0 ||
                       cmd_instr_i[msq_isa::LOAD_ROW_WORDS_LSB+:16] == '0 ||
                       cmd_instr_i[msq_isa::LOAD_DRAM_LSB+:3] != '0 ||
                       cmd_instr_i[msq_isa::LOAD_DRAM_ROW_STRIDE_LSB+:3] != '0;
  assign start       = take && !illegal;
  assign unused_fields = ^cmd_instr_i;

  msq_dram_walk u_bursts (
    .clk_i, .rst_ni, .load_i(start), .stop_i(abort_i),
    .rows_i(cmd_instr_i[msq_isa::LOAD_ROWS_LSB+:16]), .row_words_i(cmd_instr_i[msq_isa::LOAD_ROW_WORDS_LSB+:16]),
    .dram_i(cmd_instr_i[msq_isa::LOAD_DRAM_LSB+:48]), .row_stride_i(cmd_instr_i[msq_isa::LOAD_DRAM_ROW_STRIDE_LSB+:32]),
    .next_i(asked), .valid_o(burst_valid), .addr_o(req_addr_o), .beats_o(req_beats_o), .done_o(unused_bursts_done)
  );

  // Room is found out a cycle before, and counted a cycle after, a burst is asked for; meanwhile it can only grow.
  assign asked = req_valid_o && req_ready_i;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || abort_i) req_valid_o <= 1'b0;
    else req_valid_o <= burst_valid && !asked && used_q + 8'(req_beats_o) <= 8'(DEPTH) + 8'(write_q);
    asked_q       <= rst_ni && asked;
    asked_beats_q <= req_beats_o;
  end

  msq_fifo #(.WIDTH(64), .DEPTH(DEPTH)) u_words (
    .clk_i, .rst_ni, .clear_i(abort_i), .wr_valid_i(data_valid_i), .wr_data_i(data_i),
    .rd_valid_o(fifo_valid), .rd_ready_i(write), .rd_data_o(lw_data_o)
  );

  msq_act_walk #(.BANKS(BANKS)) u_words_walk (
    .clk_i, .rst_ni, .load_i(start), .stop_i(abort_i),
    .rows_i(cmd_instr_i[msq_isa::LOAD_ROWS_LSB+:16]), .row_words_i(cmd_instr_i[msq_isa::LOAD_ROW_WORDS_LSB+:16]),
    .act_i(cmd_instr_i[msq_isa::LOAD_ACT_LSB+:24]), .step_i(cmd_instr_i[msq_isa::LOAD_ACT_STEP_LSB+:24]),
    .row_step_i(cmd_instr_i[msq_isa::LOAD_ACT_ROW_STEP_LSB+:24]),
    .next_i(write), .valid_o(words_valid), .addr_o(lw_addr_o), .last_o(last)
  );

  assign lw_valid_o = fifo_valid && words_valid;
  assign write      = lw_valid_o && lw_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      write_q  <= 1'b0;
      used_q   <= '0;
      due_q    <= '0;
      done_q   <= '0;
      error_o  <= 1'b0;
    end else begin
      write_q <= write && !abort_i;
      due_q  <= due_q + (asked_q ? 8'(asked_beats_q) : 8'd0) - 8'(data_valid_i);
      used_q <= used_q + (asked_q ? 8'(asked_beats_q) : 8'd0) - 8'(write_q);
      done_q <= {done_q[2:0], write && last};
      error_o <= take && illegal;
      active_q <= !abort_i && (start || (active_q && !(write && last)));
      if (abort_i) begin
        used_q <= '0;
        done_q <= '0;
      end
    end
  end

  assign done_o = done_q[3];
  assign idle_o = !active_q && !asked_q && due_q == '0 && done_q == '0 && !error_o;
endmodule
