// Reads the program, hands its instructions to the units, and ends it.
//
// start_i (a pulse while busy_o is 0) begins at prog_addr_i; clear_o pulses in the next cycle, for units that keep
// something from program to program. Instructions are read as bursts of 16 beats, one ahead of the one being handed
// out, and none beyond END. They are handed out in order, a word a cycle, each to the slot of its unit; one whose slot
// is taken holds up the ones behind it. A unit sees cmd_valid_o once the counts of completed instructions that its
// instruction waits for are reached (looked at every fourth cycle). Units are numbered as opcodes are: 0 WEIGHTS, 1
// LOAD, 2 STORE, 3 CONV, 4 VEC. END is reached when all slots are empty and everything has been idle for four cycles:
// done_o pulses, busy_o falls. The first error (of several in one cycle the lowest code) is kept until the next start:
// abort_o rises, and when all is idle done_o pulses. error_index_o is then the index of the newest instruction that was
// begun to be handed out. Errors: 1 illegal instruction (an opcode, a program that is not aligned, or illegal_i: a unit
// found a field), 2 act_range, 3 dram_range, 4 axi_error, 5 watchdog (watchdog_limit_i cycles, 0: none, without
// activity_i, a completed instruction or a word of the program).
module msq_fetch (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic          start_i,
  input  logic [47:0]   prog_addr_i,
  input  logic [31:0]   watchdog_limit_i,
  output logic          clear_o,
  output logic          busy_o,
  output logic          done_o,
  output logic          error_valid_o,
  output logic [3:0]    error_code_o,
  output logic [31:0]   error_index_o,

  output logic          req_valid_o,
  input  logic          req_ready_i,
  output logic [47:0]   req_addr_o,
  output logic [4:0]    req_beats_o,
  input  logic          data_valid_i,
  input  logic [63:0]   data_i,

  output logic [4:0]    cmd_valid_o,
  input  logic [4:0]    cmd_ready_i,
  output logic [5119:0] cmd_instr_o,  // 1024 bits a unit
  input  logic [4:0]    unit_done_i,
  input  logic [4:0]    unit_idle_i,
  output logic          abort_o,

  input  logic          axi_idle_i,
  input  logic          illegal_i,
  input  logic          act_range_i,
  input  logic          dram_range_i,
  input  logic          axi_error_i,
  input  logic          activity_i
);
  localparam int UNITS = 5;
  localparam int WORDS = 32;  // of the buffer: two instructions
  localparam logic [3:0] ErrIllegal = 4'd1, ErrAct = 4'd2, ErrDram = 4'd3, ErrAxi = 4'd4, ErrWatchdog = 4'd5;

  typedef enum logic [1:0] {StIdle, StRun, StEnd, StAbort} state_e;
  state_e state_q;

  logic begin_program, quiet, ended;
  logic error;
  logic [3:0] error_code;

  assign begin_program = state_q == StIdle && start_i;
  assign busy_o  = state_q != StIdle;
  assign abort_o = state_q == StAbort;

  // Reading.
  logic        more, more_q;  // the next instruction may be asked for
  logic [5:0]  used_q;  // words in the buffer or asked for
  logic [5:0]  due_q;   // words asked for
  logic [3:0]  beat_q;
  logic [47:0] addr_q;
  logic [63:0] head;
  logic        put, head_valid, pop;
  logic        asked, continues;
  logic        misaligned;  // its bursts might cross 4 KB; a register

  assign req_addr_o  = addr_q;
  assign req_beats_o = 5'd16;
  assign asked       = req_valid_o && req_ready_i;
  assign continues   = data_i[msq_isa::OPCODE_LSB+:msq_isa::OPCODE_W] >= 8'(msq_isa::OP_WEIGHTS) &&
                       data_i[msq_isa::OPCODE_LSB+:msq_isa::OPCODE_W] <= 8'(msq_isa::OP_VEC);

  assign more        = !asked && (more_q || (data_valid_i && beat_q == '0 && continues));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      more_q <= 1'b0;
      used_q <= '0;
      due_q  <= '0;
      beat_q <= '0;
    end else begin
      due_q <= due_q + (asked ? 6'd16 : 6'd0) - 6'(data_valid_i);
      if (begin_program) begin
        more_q <= 1'b1;
        used_q <= '0;
        beat_q <= '0;
      end else begin
        more_q <= more;
        used_q <= used_q + (asked ? 6'd16 : 6'd0) - 6'(pop);
        if (data_valid_i) beat_q <= beat_q + 4'd1;
      end
    end
  end

  // The request comes from a register, for what the port's other clients may do depends on it. It is there in the first
  // cycle in which there is room for an instruction.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) req_valid_o <= 1'b0;
    else if (begin_program) req_valid_o <= prog_addr_i[6:0] == '0;
    else req_valid_o <= state_q == StRun && !misaligned && more && used_q <= 6'(WORDS - 16) + 6'(pop);
  end

  always_ff @(posedge clk_i) begin
    if (begin_program) misaligned <= prog_addr_i[6:0] != '0;
    if (begin_program) addr_q <= prog_addr_i;
    else if (asked) addr_q <= addr_q + 48'd128;
  end

  assign put = data_valid_i && state_q == StRun;

  msq_fifo #(.WIDTH(64), .DEPTH(WORDS)) u_words (
    .clk_i, .rst_ni, .clear_i(begin_program), .wr_valid_i(put), .wr_data_i(data_i),
    .rd_valid_o(head_valid), .rd_ready_i(pop), .rd_data_o(head)
  );

  // Handing out.
  logic [3:0]       word_q;
  logic [2:0]       unit, unit_q, target;
  logic             legal, is_end, first, illegal;
  logic [UNITS-1:0] full_q, ready_q, taken;
  logic [31:0]      index_q;
  logic             begun_q;

  assign first   = word_q == '0;
  assign is_end  = head[msq_isa::OPCODE_LSB+:msq_isa::OPCODE_W] == 8'(msq_isa::OP_END);
  assign legal   = head[msq_isa::OPCODE_LSB+:msq_isa::OPCODE_W] >= 8'(msq_isa::OP_WEIGHTS) &&
                   head[msq_isa::OPCODE_LSB+:msq_isa::OPCODE_W] <= 8'(msq_isa::OP_VEC);
  assign unit    = 3'(head[2:0] - 3'(msq_isa::OP_WEIGHTS));
  assign target  = first ? unit : unit_q;
  assign illegal = state_q == StRun && head_valid && first && !legal && !is_end;

  always_comb begin
    pop = 1'b0;
    for (int u = 0; u < UNITS; u++) begin
      if (state_q == StRun && head_valid && target == 3'(u) && !full_q[u] && (legal || !first)) pop = 1'b1;
    end
  end

  for (genvar u = 0; u < UNITS; u++) begin : gen_slot
    for (genvar w = 0; w < 16; w++) begin : gen_word
      always_ff @(posedge clk_i) begin
        if (pop && target == 3'(u) && word_q == 4'(w)) cmd_instr_o[u*1024+w*64+:64] <= head;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || begin_program) begin
      word_q  <= '0;
      full_q  <= '0;
      index_q <= '0;
      begun_q <= 1'b0;
    end else begin
      full_q <= full_q & ~taken;
      if (pop) begin
        word_q <= word_q + 4'd1;
        unit_q <= target;
        for (int u = 0; u < UNITS; u++) if (word_q == 4'd15 && target == 3'(u)) full_q[u] <= 1'b1;
      end
      if ((pop && first) || illegal) begin
        begun_q <= 1'b1;
        if (begun_q) index_q <= index_q + 32'd1;
      end
      if (state_q == StAbort) full_q <= '0;
    end
  end

  // Waiting: one unit a cycle is compared, of those that wait.
  logic [1:0]  turn_q;
  logic [15:0] count_q [4];
  logic [63:0] waits;
  logic [3:0]  reached;

  always_comb begin
    unique case (turn_q)
      2'd0: waits = cmd_instr_o[1*1024+msq_isa::WAIT_LOAD_LSB+:64];
      2'd1: waits = cmd_instr_o[2*1024+msq_isa::WAIT_LOAD_LSB+:64];
      2'd2: waits = cmd_instr_o[3*1024+msq_isa::WAIT_LOAD_LSB+:64];
      default: waits = cmd_instr_o[4*1024+msq_isa::WAIT_LOAD_LSB+:64];
    endcase
  end

  for (genvar c = 0; c < 4; c++) begin : gen_count
    /* verilator lint_off UNUSEDSIGNAL */  // only the sign counts
    logic [15:0] difference;
    /* verilator lint_on UNUSEDSIGNAL */
    assign difference = count_q[c] - waits[c*16+:16];
    assign reached[c] = !difference[15];
    always_ff @(posedge clk_i) begin
      if (!rst_ni || begin_program) count_q[c] <= '0;
      else if (unit_done_i[c+1]) count_q[c] <= count_q[c] + 16'd1;
    end
  end

  assign cmd_valid_o = state_q == StAbort ? '0 : full_q & ready_q;
  assign taken       = cmd_valid_o & cmd_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || begin_program) begin
      turn_q  <= '0;
      ready_q <= '0;
    end else begin
      turn_q <= turn_q + 2'd1;
      for (int u = 1; u < UNITS; u++) begin
        if (full_q[u] && turn_q == 2'(u - 1) && reached == '1) ready_q[u] <= 1'b1;
      end
      ready_q[0] <= 1'b1;
      for (int u = 1; u < UNITS; u++) if (taken[u]) ready_q[u] <= 1'b0;
    end
  end

  // Progress.
  logic [31:0] still_q;
  logic        late_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !busy_o || activity_i || data_valid_i || unit_done_i != '0) begin
      still_q <= '0;
      late_q  <= 1'b0;
    end else begin
      still_q <= still_q + 32'd1;
      late_q  <= watchdog_limit_i != '0 && still_q >= watchdog_limit_i;
    end
  end

  // The end, one way or the other.
  logic [1:0] quiet_q;

  always_comb begin
    error      = 1'b1;
    error_code = '0;
    if (illegal || illegal_i || (state_q == StRun && misaligned)) error_code = ErrIllegal;
    else if (act_range_i) error_code = ErrAct;
    else if (dram_range_i) error_code = ErrDram;
    else if (axi_error_i) error_code = ErrAxi;
    else if (late_q) error_code = ErrWatchdog;
    else error = 1'b0;
  end

  assign quiet = &unit_idle_i && axi_idle_i && due_q == '0 && full_q == '0;
  assign ended = quiet && quiet_q == 2'd3;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q       <= StIdle;
      quiet_q       <= '0;
      clear_o       <= 1'b0;
      done_o        <= 1'b0;
      error_valid_o <= 1'b0;
      error_code_o  <= '0;
    end else begin
      clear_o <= begin_program;
      done_o  <= 1'b0;
      quiet_q <= quiet && (state_q == StEnd || state_q == StAbort) ? quiet_q + 2'd1 : '0;
      unique case (state_q)
        StIdle: begin
          if (start_i) begin
            state_q       <= StRun;
            error_valid_o <= 1'b0;
            error_code_o  <= '0;
          end
        end
        StRun, StEnd: begin
          if (error) begin
            state_q       <= StAbort;
            quiet_q       <= '0;
            error_valid_o <= 1'b1;
            error_code_o  <= error_code;
          end else if (state_q == StRun) begin
            if (head_valid && first && is_end) state_q <= StEnd;
          end else if (ended) begin
            state_q <= StIdle;
            done_o  <= 1'b1;
          end
        end
        default: begin
          if (ended) begin
            state_q <= StIdle;
            done_o  <= 1'b1;
          end
        end
      endcase
    end
  end

  assign error_index_o = index_q;
endmodule
