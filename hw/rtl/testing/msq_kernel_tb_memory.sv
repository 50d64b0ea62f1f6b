// What surrounds the accelerator in msq_kernel_tb: checks of a bus channel, and the memory's ports. The memory is
// msq_kernel_tb.dram. Every ready, beat and response may be late, at random and alike in every run; payloads that are
// not valid are unknown.
`timescale 1ns / 1ps

// A channel of a bus: valid and ready are known, and so is the payload while valid; it waits unchanged.
module msq_kernel_tb_channel #(
  parameter int W = 1
) (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         valid_i,
  input logic         ready_i,
  input logic [W-1:0] payload_i
);
  logic         waits = 1'b0;
  logic [W-1:0] payload_q;
  logic         used = 1'b0;

  always @(posedge clk_i) begin
    if (rst_ni) begin
      if (^{valid_i, ready_i} === 1'bx) $fatal(1, "%m: valid %b, ready %b", valid_i, ready_i);
      if (valid_i && ^payload_i === 1'bx) $fatal(1, "%m: payload %h", payload_i);
      if (waits && (!valid_i || payload_i !== payload_q)) $fatal(1, "%m: changes before it is taken");
      waits     <= valid_i && !ready_i;
      payload_q <= payload_i;
      if (valid_i && ready_i) begin
        msq_kernel_tb.handshakes++;
        if (!used) msq_kernel_tb.channels++;
        used = 1'b1;
      end
      if (valid_i && !ready_i) msq_kernel_tb.stalls++;
    end
  end
endmodule

// A read port.
module msq_kernel_tb_read #(
  parameter int SEED = 1
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        arvalid_i,
  output logic        arready_o,
  input  logic [47:0] araddr_i,
  input  logic [7:0]  arlen_i,
  output logic        rvalid_o,
  input  logic        rready_i,
  output logic [63:0] rdata_o,
  output logic [1:0]  rresp_o,
  output logic        rlast_o
);
  int seed = SEED, head = 0, tail = 0, beat = 0;
  int word [8], len [8];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      arready_o <= 1'b0;
      rvalid_o  <= 1'b0;
    end else begin
      if (arvalid_i && arready_o) begin
        word[tail % 8] = msq_kernel_tb.word_of(araddr_i, arlen_i);
        len[tail % 8]  = int'(arlen_i);
        tail++;
      end
      arready_o <= tail - head < 7 && $unsigned($random(seed)) % 4 != 0;
      if (!rvalid_o || rready_i) begin
        rvalid_o <= 1'b0;
        rdata_o  <= 'x;
        rresp_o  <= 'x;
        rlast_o  <= 'x;
        if (head < tail && $unsigned($random(seed)) % 4 != 0) begin
          rvalid_o <= 1'b1;
          rdata_o  <= msq_kernel_tb.dram[word[head%8]+beat];
          rresp_o  <= 2'b00;
          rlast_o  <= beat == len[head%8];
          if (beat == len[head%8]) begin
            beat = 0;
            head++;
          end else begin
            beat++;
          end
        end
      end
    end
  end
endmodule

// The write port. Beats that come before their address wait.
module msq_kernel_tb_write (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        awvalid_i,
  output logic        awready_o,
  input  logic [47:0] awaddr_i,
  input  logic [7:0]  awlen_i,
  input  logic        wvalid_i,
  output logic        wready_o,
  input  logic [63:0] wdata_i,
  input  logic [7:0]  wstrb_i,
  input  logic        wlast_i,
  output logic        bvalid_o,
  input  logic        bready_i,
  output logic [1:0]  bresp_o
);
  int seed = 7, head = 0, tail = 0, beat = 0, answered = 0;
  int word [8], len [8];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      awready_o <= 1'b0;
      wready_o  <= 1'b0;
      bvalid_o  <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) begin
        word[tail % 8] = msq_kernel_tb.word_of(awaddr_i, awlen_i);
        len[tail % 8]  = int'(awlen_i);
        tail++;
      end
      if (wvalid_i && wready_o) begin
        if (wstrb_i !== 8'hff || wlast_i !== (beat == len[head%8])) $fatal(1, "%m: beat %0d", beat);
        msq_kernel_tb.dram[word[head%8]+beat] = wdata_i;
        beat = wlast_i ? 0 : beat + 1;
        if (wlast_i) head++;
      end
      awready_o <= tail - answered < 7 && $unsigned($random(seed)) % 4 != 0;
      wready_o  <= head < tail && $unsigned($random(seed)) % 4 != 0;
      if (!bvalid_o || bready_i) begin
        bvalid_o <= 1'b0;
        bresp_o  <= 'x;
        if (answered < head && $unsigned($random(seed)) % 4 == 0) begin
          bvalid_o <= 1'b1;
          bresp_o  <= 2'b00;
          answered++;
        end
      end
    end
  end
endmodule
