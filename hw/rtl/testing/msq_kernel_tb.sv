// Icarus cross-check of the accelerator: programs on four-state RTL, with a memory that stalls every handshake. What
// Verilator reads as 0 is X here: registers before they are written, payloads that are not valid, memory that nobody
// wrote. Self-checking: prints PASS and what it counted, or ends with a fatal error.
//
// +images=FOLDER holds what tests/cosim/kernel_images.cc writes: DRAM before and after (dram.hex, expected.hex), and in
// layout.hex the places of the programs. They run one after the other; after the first one it runs again with a window
// that ends in the middle of it, which must be an error and do no harm. (Not before: an abort clears what a reset may
// have left out.)
`timescale 1ns / 1ps
module msq_kernel_tb;
  localparam int PORTS = `MSQ_KERNEL_PORTS;
  localparam int WORDS = 1 << 16;  // of DRAM
  localparam int PATIENCE = 5000;  // cycles in which nothing moves on any bus

  logic clk = 1'b0, rst_n = 1'b0;
  always #5 clk = ~clk;

  int seed = 1, cycles = 0, still = 0, seen = 0;
  int channels = 0, handshakes = 0, stalls = 0, programs = 0, words = 0, results = 0;

  function automatic logic chance(input int percent);
    chance = 32'($unsigned($random(seed)) % 100) < percent;
  endfunction

  // ---- the accelerator ----------------------------------------------------------------------------------------------
  logic        awvalid = 1'b0, awready, wvalid = 1'b0, wready, bvalid, bready = 1'b0;
  logic        arvalid = 1'b0, arready, rvalid, rready = 1'b0, interrupt;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata, rdata;
  logic [3:0]  wstrb;
  logic [1:0]  bresp, rresp;
  logic [4:0]  trace_done;

  logic [PORTS-1:0]    m_arvalid, m_arready, m_rvalid, m_rready, m_rlast;
  logic [PORTS*48-1:0] m_araddr;
  logic [PORTS*8-1:0]  m_arlen;
  logic [PORTS*3-1:0]  m_arsize;
  logic [PORTS*2-1:0]  m_arburst, m_rresp;
  logic [PORTS*64-1:0] m_rdata;
  logic                m_awvalid, m_awready, m_wvalid, m_wready, m_wlast, m_bvalid, m_bready;
  logic [47:0]         m_awaddr;
  logic [7:0]          m_awlen, m_wstrb;
  logic [2:0]          m_awsize;
  logic [1:0]          m_awburst, m_bresp;
  logic [63:0]         m_wdata;

  msq_kernel #(`MSQ_KERNEL_PARAMETERS) u_kernel (
    .clk_i(clk), .rst_ni(rst_n),
    .s_axi_awvalid_i(awvalid), .s_axi_awready_o(awready), .s_axi_awaddr_i(awaddr),
    .s_axi_wvalid_i(wvalid), .s_axi_wready_o(wready), .s_axi_wdata_i(wdata), .s_axi_wstrb_i(wstrb),
    .s_axi_bvalid_o(bvalid), .s_axi_bready_i(bready), .s_axi_bresp_o(bresp),
    .s_axi_arvalid_i(arvalid), .s_axi_arready_o(arready), .s_axi_araddr_i(araddr),
    .s_axi_rvalid_o(rvalid), .s_axi_rready_i(rready), .s_axi_rdata_o(rdata), .s_axi_rresp_o(rresp),
    .interrupt_o(interrupt),
    .m_axi_arvalid_o(m_arvalid), .m_axi_arready_i(m_arready), .m_axi_araddr_o(m_araddr), .m_axi_arlen_o(m_arlen),
    .m_axi_arsize_o(m_arsize), .m_axi_arburst_o(m_arburst), .m_axi_rvalid_i(m_rvalid), .m_axi_rready_o(m_rready),
    .m_axi_rdata_i(m_rdata), .m_axi_rresp_i(m_rresp), .m_axi_rlast_i(m_rlast),
    .m_axi_awvalid_o(m_awvalid), .m_axi_awready_i(m_awready), .m_axi_awaddr_o(m_awaddr), .m_axi_awlen_o(m_awlen),
    .m_axi_awsize_o(m_awsize), .m_axi_awburst_o(m_awburst), .m_axi_wvalid_o(m_wvalid), .m_axi_wready_i(m_wready),
    .m_axi_wdata_o(m_wdata), .m_axi_wstrb_o(m_wstrb), .m_axi_wlast_o(m_wlast), .m_axi_bvalid_i(m_bvalid),
    .m_axi_bready_o(m_bready), .m_axi_bresp_i(m_bresp), .trace_done_o(trace_done)
  );

  // ---- DRAM ---------------------------------------------------------------------------------------------------------
  logic [63:0] dram [WORDS], initial_dram [WORDS], expected [WORDS];
  logic [63:0] layout [64];  // address of DRAM, its words, number of programs; of each the address, bytes of its window

  logic [47:0] window, window_bytes;  // of the program that runs

  // The first word of a burst, which must lie in the window and in one page of 4 KB.
  function automatic int word_of(input logic [47:0] address, input logic [7:0] len);
    word_of = int'((address - layout[0][47:0]) >> 3);
    if (address < window || address - window + 8 * (48'(len) + 48'd1) > window_bytes || len > 8'd15 ||
        address[2:0] != 3'd0 || 13'(address[11:3]) + 13'(len) > 13'd511) begin
      $fatal(1, "a burst at %h of %0d beats", address, len + 1);
    end
  endfunction

  for (genvar p = 0; p < PORTS; p++) begin : gen_port
    msq_kernel_tb_read #(.SEED(100 + p)) u_read (
      .clk_i(clk), .rst_ni(rst_n), .arvalid_i(m_arvalid[p]), .arready_o(m_arready[p]), .araddr_i(m_araddr[48*p+:48]),
      .arlen_i(m_arlen[8*p+:8]), .rvalid_o(m_rvalid[p]), .rready_i(m_rready[p]), .rdata_o(m_rdata[64*p+:64]),
      .rresp_o(m_rresp[2*p+:2]), .rlast_o(m_rlast[p]));
    msq_kernel_tb_channel #(.W(61)) u_ar (
      .clk_i(clk), .rst_ni(rst_n), .valid_i(m_arvalid[p]), .ready_i(m_arready[p]),
      .payload_i({m_araddr[48*p+:48], m_arlen[8*p+:8], m_arsize[3*p+:3], m_arburst[2*p+:2]}));
    // What is read may be unknown: bursts of weights end behind them.
    msq_kernel_tb_channel #(.W(1)) u_r (
      .clk_i(clk), .rst_ni(rst_n), .valid_i(m_rvalid[p]), .ready_i(m_rready[p]), .payload_i(1'b0));
    always @(posedge clk) begin
      if (rst_n && m_arvalid[p] === 1'b1 && {m_arsize[3*p+:3], m_arburst[2*p+:2]} !== {3'd3, 2'd1}) $fatal(1, "burst");
    end
  end

  msq_kernel_tb_write u_write (
    .clk_i(clk), .rst_ni(rst_n), .awvalid_i(m_awvalid), .awready_o(m_awready), .awaddr_i(m_awaddr), .awlen_i(m_awlen),
    .wvalid_i(m_wvalid), .wready_o(m_wready), .wdata_i(m_wdata), .wstrb_i(m_wstrb), .wlast_i(m_wlast),
    .bvalid_o(m_bvalid), .bready_i(m_bready), .bresp_o(m_bresp));
  msq_kernel_tb_channel #(.W(61)) u_aw (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(m_awvalid), .ready_i(m_awready),
    .payload_i({m_awaddr, m_awlen, m_awsize, m_awburst}));
  msq_kernel_tb_channel #(.W(73)) u_w (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(m_wvalid), .ready_i(m_wready), .payload_i({m_wdata, m_wstrb, m_wlast}));
  msq_kernel_tb_channel #(.W(2)) u_b (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(m_bvalid), .ready_i(m_bready), .payload_i(m_bresp));
  always @(posedge clk) begin
    if (rst_n && m_awvalid === 1'b1 && {m_awsize, m_awburst} !== {3'd3, 2'd1}) $fatal(1, "burst");
  end

  // ---- control ------------------------------------------------------------------------------------------------------
  msq_kernel_tb_channel #(.W(12)) u_ctrl_aw (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(awvalid), .ready_i(awready), .payload_i(awaddr));
  msq_kernel_tb_channel #(.W(36)) u_ctrl_w (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(wvalid), .ready_i(wready), .payload_i({wdata, wstrb}));
  msq_kernel_tb_channel #(.W(2)) u_ctrl_b (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(bvalid), .ready_i(bready), .payload_i(bresp));
  msq_kernel_tb_channel #(.W(12)) u_ctrl_ar (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(arvalid), .ready_i(arready), .payload_i(araddr));
  msq_kernel_tb_channel #(.W(34)) u_ctrl_r (
    .clk_i(clk), .rst_ni(rst_n), .valid_i(rvalid), .ready_i(rready), .payload_i({rdata, rresp}));

  always @(posedge clk) begin
    if (rst_n) begin
      cycles <= cycles + 1;
      if (^{interrupt, trace_done} === 1'bx) $fatal(1, "interrupt or trace unknown in cycle %0d", cycles);
      if (handshakes != seen) still = 0;
      else still++;
      seen = handshakes;
      if (still > PATIENCE) $fatal(1, "nothing moves");
    end
  end

  task automatic pause;
    while (chance(40)) @(posedge clk);
  endtask

  // Address and data in either order; what is not valid is unknown.
  task automatic write_register(input logic [11:0] address, input logic [31:0] value);
    fork
      begin
        pause();
        awvalid <= 1'b1;
        awaddr  <= address;
        do @(posedge clk); while (!awready);
        awvalid <= 1'b0;
        awaddr  <= 'x;
      end
      begin
        pause();
        wvalid <= 1'b1;
        wdata  <= value;
        wstrb  <= 4'hf;
        do @(posedge clk); while (!wready);
        wvalid <= 1'b0;
        wdata  <= 'x;
        wstrb  <= 'x;
      end
      begin
        do begin
          bready <= chance(50);
          @(posedge clk);
        end while (!(bvalid && bready));
        bready <= 1'b0;
        if (bresp !== 2'b00) $fatal(1, "bresp of %h", address);
      end
    join
  endtask

  task automatic read_register(input logic [11:0] address, output logic [31:0] value);
    fork
      begin
        pause();
        arvalid <= 1'b1;
        araddr  <= address;
        do @(posedge clk); while (!arready);
        arvalid <= 1'b0;
        araddr  <= 'x;
      end
      begin
        do begin
          rready <= chance(50);
          @(posedge clk);
        end while (!(rvalid && rready));
        rready <= 1'b0;
        value = rdata;
        if (rresp !== 2'b00) $fatal(1, "rresp of %h", address);
      end
    join
  endtask

  task automatic expect_register(input logic [11:0] address, input logic [31:0] value);
    logic [31:0] got;
    read_register(address, got);
    if (got !== value) $fatal(1, "register %h is %h, not %h", address, got, value);
  endtask

  // As a driver runs a program; all counters must be known.
  task automatic run_program(input logic [47:0] address, input logic [47:0] bytes, input logic [3:0] error);
    logic [31:0] value;
    window       = address;
    window_bytes = bytes;
    write_register(msq_regs::PROG_ADDR_LO_ADDR, address[31:0]);
    write_register(msq_regs::PROG_ADDR_HI_ADDR, {16'b0, address[47:32]});
    write_register(msq_regs::DRAM_BASE_LO_ADDR, address[31:0]);
    write_register(msq_regs::DRAM_BASE_HI_ADDR, {16'b0, address[47:32]});
    write_register(msq_regs::DRAM_SIZE_LO_ADDR, bytes[31:0]);
    write_register(msq_regs::DRAM_SIZE_HI_ADDR, {16'b0, bytes[47:32]});
    write_register(msq_regs::WATCHDOG_ADDR, 32'd10000);
    write_register(msq_regs::GIE_ADDR, 32'd1);
    write_register(msq_regs::IER_ADDR, 32'd1);
    expect_register(msq_regs::CTRL_ADDR, 32'h4);  // idle
    write_register(msq_regs::CTRL_ADDR, 32'h1);
    while (!interrupt) @(posedge clk);
    expect_register(msq_regs::STATUS_ADDR, {28'b0, error});
    expect_register(msq_regs::CTRL_ADDR, 32'he);  // done, idle, ready
    expect_register(msq_regs::CTRL_ADDR, 32'h4);
    for (int i = 0; i < 2 * msq_regs::COUNTERS; i++) begin
      read_register(12'(msq_regs::COUNTER_BASE + 4 * i), value);
      if (^value === 1'bx) $fatal(1, "counter %0d unknown", i);
    end
    write_register(msq_regs::ISR_ADDR, 32'd1);
    repeat (2) @(posedge clk);
    if (interrupt !== 1'b0) $fatal(1, "the interrupt stays");
    programs++;
  endtask

  task automatic compare;
    for (int i = 0; i < int'(layout[1]); i++) begin
      if (dram[i] !== expected[i]) $fatal(1, "word %0d of DRAM is %h, not %h", i, dram[i], expected[i]);
      words++;
      if (expected[i] !== initial_dram[i]) results++;
    end
  endtask

  string folder;
  int    file, count = 0;
  initial begin
    if (!$value$plusargs("images=%s", folder)) $fatal(1, "+images=FOLDER");
    file = $fopen({folder, "/layout.hex"}, "r");
    while (file != 0 && count < 63 && $fscanf(file, "%h", layout[count]) == 1) count++;
    if (count < 5 || layout[1] > WORDS || count != 3 + 2 * int'(layout[2])) $fatal(1, "no layout");
    $readmemh({folder, "/dram.hex"}, initial_dram, 0, int'(layout[1]) - 1);
    $readmemh({folder, "/expected.hex"}, expected, 0, int'(layout[1]) - 1);
    for (int i = 0; i < WORDS; i++) dram[i] = initial_dram[i];
    repeat (5) @(posedge clk);
    rst_n <= 1'b1;
    @(posedge clk);
    for (int i = 0; i < int'(layout[2]); i++) begin
      run_program(layout[3+2*i][47:0], layout[4+2*i][47:0], 4'd0);
      if (i == 0) run_program(layout[3][47:0], 48'd1024, 4'd3);
    end
    repeat (20) @(posedge clk);
    compare();
    if (programs < 3 || results < 100 || channels != 2 * PORTS + 8 || stalls < 100) $fatal(1, "checked too little");
    $display("PASS: %0d programs, %0d cycles, %0d handshakes, %0d waits; %0d words of DRAM, %0d of them results",
             programs, cycles, handshakes, stalls, words, results);
    $finish;
  end
endmodule
