// Registers of the accelerator behind AXI4-Lite (hw/regs/registers.json), ap_ctrl_hs, interrupt, performance counters.
//
// Writes: AW and W come in either order, each is held until its partner is there; B follows a cycle after both. Reads
// take two cycles, those of a counter's lower word up to 20 (msq_counters). One write and one read are under way at a
// time; all responses are OKAY.
//
// start_o is 1 for one cycle when a program begins; prog_addr_o is valid with it, the window and the watchdog limit
// stay. The program runs until the cycle of done_i, at least one cycle later. error_valid_i (pulse or level, while it
// runs, also with done_i) brings code and index; the first is kept. Events are counted while a program runs, from the
// cycle after start_o to that of done_i.
module msq_axil_ctrl #(
  parameter int P = 4,
  parameter int F = 12,
  parameter int S = 20,
  parameter int Q = 16,
  parameter int BANKS = 5,
  parameter int DEPTH = 9216,
  parameter int WDEPTH = 512,
  parameter int PORTS = 2,
  parameter int LOADS = 2,
  parameter int VECS = 1,
  parameter logic [31:0] BUILD_ID = '0,
  parameter logic [63:0] COUNTER_CLEAR = '0  // not 0 in tests that want carries
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [11:0] s_awaddr_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  input  logic [31:0] s_wdata_i,
  input  logic [3:0]  s_wstrb_i,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  output logic [1:0]  s_bresp_o,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  input  logic [11:0] s_araddr_i,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  output logic [31:0] s_rdata_o,
  output logic [1:0]  s_rresp_o,
  output logic        interrupt_o,

  output logic        start_o,
  output logic [47:0] prog_addr_o,
  output logic [47:0] win_base_o,
  output logic [47:0] win_size_o,
  output logic [31:0] watchdog_limit_o,
  input  logic        done_i,
  input  logic        error_valid_i,
  input  logic [3:0]  error_code_i,
  input  logic [31:0] error_index_i,

  input  logic        step_i,
  input  logic        dsp_busy_i,
  input  logic        lut_busy_i,
  input  logic        stall_weights_i,
  input  logic        stall_drain_i,
  input  logic        stall_bank_i,
  input  logic [2:0]  rd_beats_i,   // beats read in this cycle, all ports together
  input  logic        wr_beat_i,
  input  logic [4:0]  unit_done_i   // WEIGHTS, LOAD, STORE, CONV, VEC from bit 0 on
);
  assign s_bresp_o = 2'b00;
  assign s_rresp_o = 2'b00;

  // Write channel: we is 1 for one cycle with the word waddr_q, the data wdata_q and the bits that they concern.
  logic        aw_full_q, w_full_q, we;
  logic [9:0]  waddr_q;
  logic [31:0] wdata_q, wmask;
  logic [3:0]  wstrb_q;
  logic [11:0] waddr;

  assign s_awready_o = !aw_full_q;
  assign s_wready_o  = !w_full_q;
  assign we          = aw_full_q && w_full_q && !s_bvalid_o;
  assign waddr       = {waddr_q, 2'b00};
  assign wmask       = {{8{wstrb_q[3]}}, {8{wstrb_q[2]}}, {8{wstrb_q[1]}}, {8{wstrb_q[0]}}};

  always_ff @(posedge clk_i) begin
    if (s_awvalid_i && s_awready_o) waddr_q <= s_awaddr_i[11:2];
    if (s_wvalid_i && s_wready_o) begin
      wdata_q <= s_wdata_i;
      wstrb_q <= s_wstrb_i;
    end
    if (!rst_ni) begin
      aw_full_q  <= 1'b0;
      w_full_q   <= 1'b0;
      s_bvalid_o <= 1'b0;
    end else begin
      aw_full_q  <= !we && (aw_full_q || s_awvalid_i);
      w_full_q   <= !we && (w_full_q || s_wvalid_i);
      s_bvalid_o <= we || (s_bvalid_o && !s_bready_i);
    end
  end

  // Read channel: re is 1 for one cycle, in which the data of the word raddr are taken.
  logic        ar_full_q, re, is_counter;
  logic [9:0]  raddr_q;
  logic [11:0] raddr;
  logic [31:0] rdata;
  logic [3:0]  counter_slot;
  logic [63:0] counter_value;
  logic [31:0] counter_hi_q;

  assign s_arready_o = !ar_full_q && !s_rvalid_o;
  assign raddr       = {raddr_q, 2'b00};
  assign is_counter  = raddr[11:7] == msq_regs::COUNTER_BASE[11:7];
  assign re          = ar_full_q && (!is_counter || raddr[2] || counter_slot == raddr[6:3]);

  always_ff @(posedge clk_i) begin
    if (s_arvalid_i && s_arready_o) raddr_q <= s_araddr_i[11:2];
    if (re) s_rdata_o <= rdata;
    if (!rst_ni) begin
      ar_full_q    <= 1'b0;
      s_rvalid_o   <= 1'b0;
      counter_hi_q <= '0;
    end else begin
      if (re && is_counter && !raddr[2]) counter_hi_q <= counter_value[63:32];
      ar_full_q  <= !re && (ar_full_q || (s_arvalid_i && s_arready_o));
      s_rvalid_o <= re || (s_rvalid_o && !s_rready_i);
    end
  end

  // Configuration registers.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      prog_addr_o      <= '0;
      win_base_o       <= '0;
      win_size_o       <= '0;
      watchdog_limit_o <= '0;
    end else if (we) begin
      case (waddr)
        msq_regs::PROG_ADDR_LO_ADDR: prog_addr_o[31:0]  <= (prog_addr_o[31:0] & ~wmask) | (wdata_q & wmask);
        msq_regs::PROG_ADDR_HI_ADDR: prog_addr_o[47:32] <= (prog_addr_o[47:32] & ~wmask[15:0]) |
                                                           (wdata_q[15:0] & wmask[15:0]);
        msq_regs::DRAM_BASE_LO_ADDR: win_base_o[31:0]   <= (win_base_o[31:0] & ~wmask) | (wdata_q & wmask);
        msq_regs::DRAM_BASE_HI_ADDR: win_base_o[47:32]  <= (win_base_o[47:32] & ~wmask[15:0]) |
                                                           (wdata_q[15:0] & wmask[15:0]);
        msq_regs::DRAM_SIZE_LO_ADDR: win_size_o[31:0]   <= (win_size_o[31:0] & ~wmask) | (wdata_q & wmask);
        msq_regs::DRAM_SIZE_HI_ADDR: win_size_o[47:32]  <= (win_size_o[47:32] & ~wmask[15:0]) |
                                                           (wdata_q[15:0] & wmask[15:0]);
        msq_regs::WATCHDOG_ADDR:     watchdog_limit_o   <= (watchdog_limit_o & ~wmask) | (wdata_q & wmask);
        default: ;
      endcase
    end
  end

  // ap_ctrl_hs. A start that is written in the cycle of done_i counts for the next program.
  logic ap_start_q, ap_done_q, auto_restart_q, running_q, ended, write_ctrl;

  assign write_ctrl = we && wstrb_q[0] && waddr == msq_regs::CTRL_ADDR;
  assign start_o    = ap_start_q && !running_q;
  assign ended      = running_q && done_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ap_start_q     <= 1'b0;
      ap_done_q      <= 1'b0;
      auto_restart_q <= 1'b0;
      running_q      <= 1'b0;
    end else begin
      if (write_ctrl) auto_restart_q <= wdata_q[msq_regs::CTRL_AUTO_RESTART_LSB];
      if (write_ctrl && wdata_q[msq_regs::CTRL_AP_START_LSB]) ap_start_q <= 1'b1;
      else if (ended)                                         ap_start_q <= auto_restart_q;
      running_q <= start_o || (running_q && !done_i);
      ap_done_q <= ended || (ap_done_q && !(re && raddr == msq_regs::CTRL_ADDR));
    end
  end

  // Interrupt. What sets a status bit is stronger than the write that toggles it.
  logic       gie_q;
  logic [1:0] ier_q, isr_q, toggle;

  assign toggle = we && wstrb_q[0] && waddr == msq_regs::ISR_ADDR ?
                  {wdata_q[msq_regs::ISR_READY_LSB], wdata_q[msq_regs::ISR_DONE_LSB]} : 2'b00;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      gie_q       <= 1'b0;
      ier_q       <= '0;
      isr_q       <= '0;
      interrupt_o <= 1'b0;
    end else begin
      if (we && wstrb_q[0] && waddr == msq_regs::GIE_ADDR) gie_q <= wdata_q[msq_regs::GIE_ENABLE_LSB];
      if (we && wstrb_q[0] && waddr == msq_regs::IER_ADDR) begin
        ier_q <= {wdata_q[msq_regs::IER_READY_LSB], wdata_q[msq_regs::IER_DONE_LSB]};
      end
      isr_q       <= (isr_q ^ toggle) | (ier_q & {2{ended}});
      interrupt_o <= gie_q && isr_q != '0;
    end
  end

  // The first error of a program.
  logic [3:0]  error_code_q;
  logic [31:0] error_index_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || start_o) begin
      error_code_q  <= msq_regs::ERROR_NONE;
      error_index_q <= '0;
    end else if (running_q && error_valid_i && error_code_q == msq_regs::ERROR_NONE) begin
      error_code_q  <= error_code_i;
      error_index_q <= error_index_i;
    end
  end

  // Events take a register on their way: they come from all over the chip.
  logic [15:0] event_d, event_q;
  logic [2:0]  beats_q;

  always_comb begin
    event_d = '0;
    event_d[msq_regs::COUNTER_CYCLES]        = 1'b1;
    event_d[msq_regs::COUNTER_STEPS]         = step_i;
    event_d[msq_regs::COUNTER_DSP_BUSY]      = dsp_busy_i;
    event_d[msq_regs::COUNTER_LUT_BUSY]      = lut_busy_i;
    event_d[msq_regs::COUNTER_STALL_WEIGHTS] = stall_weights_i;
    event_d[msq_regs::COUNTER_STALL_DRAIN]   = stall_drain_i;
    event_d[msq_regs::COUNTER_STALL_BANK]    = stall_bank_i;
    event_d[msq_regs::COUNTER_WRITE_BEATS]   = wr_beat_i;
    event_d[msq_regs::COUNTER_DONE_WEIGHTS]  = unit_done_i[0];
    event_d[msq_regs::COUNTER_DONE_LOAD]     = unit_done_i[1];
    event_d[msq_regs::COUNTER_DONE_STORE]    = unit_done_i[2];
    event_d[msq_regs::COUNTER_DONE_CONV]     = unit_done_i[3];
    event_d[msq_regs::COUNTER_DONE_VEC]      = unit_done_i[4];
  end

  always_ff @(posedge clk_i) begin
    event_q <= event_d & {16{running_q}};
    beats_q <= rd_beats_i & {3{running_q}};
  end

  msq_counters #(.WIDE(msq_regs::COUNTER_READ_BEATS), .CLEAR_VALUE(COUNTER_CLEAR)) u_counters (
    .clk_i,
    .rst_ni,
    .clear_i     (start_o),
    .event_i     (event_q),
    .wide_event_i(beats_q),
    .slot_o      (counter_slot),
    .value_o     (counter_value)
  );

  always_comb begin
    rdata = '0;
    if (is_counter) begin
      rdata = raddr[2] ? counter_hi_q : counter_value[31:0];
    end else begin
      case (raddr)
        msq_regs::CTRL_ADDR: begin
          rdata[msq_regs::CTRL_AP_START_LSB]     = ap_start_q;
          rdata[msq_regs::CTRL_AP_DONE_LSB]      = ap_done_q;
          rdata[msq_regs::CTRL_AP_IDLE_LSB]      = !ap_start_q && !running_q;
          rdata[msq_regs::CTRL_AP_READY_LSB]     = ap_done_q;
          rdata[msq_regs::CTRL_AUTO_RESTART_LSB] = auto_restart_q;
        end
        msq_regs::GIE_ADDR: rdata[msq_regs::GIE_ENABLE_LSB] = gie_q;
        msq_regs::IER_ADDR: begin
          rdata[msq_regs::IER_DONE_LSB]  = ier_q[0];
          rdata[msq_regs::IER_READY_LSB] = ier_q[1];
        end
        msq_regs::ISR_ADDR: begin
          rdata[msq_regs::ISR_DONE_LSB]  = isr_q[0];
          rdata[msq_regs::ISR_READY_LSB] = isr_q[1];
        end
        msq_regs::PROG_ADDR_LO_ADDR: rdata = prog_addr_o[31:0];
        msq_regs::PROG_ADDR_HI_ADDR: rdata = {16'b0, prog_addr_o[47:32]};
        msq_regs::DRAM_BASE_LO_ADDR: rdata = win_base_o[31:0];
        msq_regs::DRAM_BASE_HI_ADDR: rdata = {16'b0, win_base_o[47:32]};
        msq_regs::DRAM_SIZE_LO_ADDR: rdata = win_size_o[31:0];
        msq_regs::DRAM_SIZE_HI_ADDR: rdata = {16'b0, win_size_o[47:32]};
        msq_regs::WATCHDOG_ADDR:     rdata = watchdog_limit_o;
        msq_regs::ID_ADDR:           rdata = msq_regs::ID_VALUE;
        msq_regs::ISA_VERSION_ADDR:  rdata = msq_regs::ISA_VERSION_VALUE;
        msq_regs::BUILD_ID_ADDR:     rdata = BUILD_ID;
        msq_regs::CONFIG_ARRAY_ADDR: begin
          rdata[msq_regs::CONFIG_ARRAY_PIXELS_LSB +: msq_regs::CONFIG_ARRAY_PIXELS_W]       = 8'(P);
          rdata[msq_regs::CONFIG_ARRAY_DSP_LANES_LSB +: msq_regs::CONFIG_ARRAY_DSP_LANES_W] = 8'(F);
          rdata[msq_regs::CONFIG_ARRAY_LUT_LANES_LSB +: msq_regs::CONFIG_ARRAY_LUT_LANES_W] = 8'(S);
          rdata[msq_regs::CONFIG_ARRAY_DRAIN_LSB +: msq_regs::CONFIG_ARRAY_DRAIN_W]         = 8'(Q);
        end
        msq_regs::CONFIG_MEMORY_ADDR: begin
          rdata[msq_regs::CONFIG_MEMORY_BANKS_LSB +: msq_regs::CONFIG_MEMORY_BANKS_W]             = 8'(BANKS);
          rdata[msq_regs::CONFIG_MEMORY_PORTS_LSB +: msq_regs::CONFIG_MEMORY_PORTS_W]             = 8'(PORTS);
          rdata[msq_regs::CONFIG_MEMORY_WDEPTH_LOG2_LSB +: msq_regs::CONFIG_MEMORY_WDEPTH_LOG2_W] = 8'($clog2(WDEPTH));
          rdata[msq_regs::CONFIG_MEMORY_LOADS_LSB +: msq_regs::CONFIG_MEMORY_LOADS_W]             = 4'(LOADS);
          rdata[msq_regs::CONFIG_MEMORY_VECS_LSB +: msq_regs::CONFIG_MEMORY_VECS_W]               = 4'(VECS);
        end
        msq_regs::CONFIG_DEPTH_ADDR: rdata = 32'(DEPTH);
        msq_regs::STATUS_ADDR: begin
          rdata[msq_regs::STATUS_ERROR_LSB +: msq_regs::STATUS_ERROR_W] = error_code_q;
          rdata[msq_regs::STATUS_BUSY_LSB]                              = ap_start_q || running_q;
        end
        msq_regs::ERROR_INDEX_ADDR: rdata = error_index_q;
        default: ;
      endcase
    end
  end

  // Words only: the addresses of bytes within them do not matter.
  logic unused_address;
  assign unused_address = ^{s_awaddr_i[1:0], s_araddr_i[1:0]};

`ifndef SYNTHESIS
  initial begin
    if (PORTS > 7 || msq_regs::COUNTERS > 16) $fatal(1, "msq_axil_ctrl: a parameter is too large");
  end
`endif
endmodule
