// Several engines that are one unit: instruction i goes to engine i mod N, and they complete in order.
//
// cmd_* and done_o are the unit's, as msq_fetch sees them; engine_* those of the engines. Instructions overlap as far
// as their waits allow, each engine having one at a time. done_o pulses once an instruction, an instruction's not before
// those of all before it; with N = 1 in the cycle of engine_done_i. idle_o: no engine has anything, and nothing is left
// to report. abort_i forgets completions that were not reported; clear_i begins at engine 0.
module msq_team #(
  parameter int N = 1
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic         abort_i,

  input  logic         cmd_valid_i,
  output logic         cmd_ready_o,
  output logic         done_o,
  output logic         idle_o,

  output logic [N-1:0] engine_valid_o,
  input  logic [N-1:0] engine_ready_i,
  input  logic [N-1:0] engine_done_i,
  input  logic [N-1:0] engine_idle_i
);
  // One bit an engine: whose turn it is to take, and whose to complete.
  logic [N-1:0] take_q, report_q, take_next, report_next;
  // Completions that wait for others: an engine takes its next instruction only after all others took theirs, so that
  // it can be two ahead and no more.
  logic [1:0]   waiting_q [N];
  logic [N-1:0] waiting;

  if (N == 1) begin : gen_one
    assign take_next   = take_q;
    assign report_next = report_q;
  end else begin : gen_several
    assign take_next   = {take_q[N-2:0], take_q[N-1]};
    assign report_next = {report_q[N-2:0], report_q[N-1]};
  end

  assign engine_valid_o = {N{cmd_valid_i}} & take_q;
  assign cmd_ready_o    = |(engine_ready_i & take_q);
  assign done_o         = |((waiting | engine_done_i) & report_q);
  assign idle_o         = &engine_idle_i && waiting == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      take_q   <= N'(1);
      report_q <= N'(1);
    end else begin
      if (cmd_valid_i && cmd_ready_o) take_q <= take_next;
      if (done_o) report_q <= report_next;
    end
  end

  for (genvar e = 0; e < N; e++) begin : gen_engine
    assign waiting[e] = waiting_q[e] != 2'd0;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i || abort_i) waiting_q[e] <= '0;
      else waiting_q[e] <= waiting_q[e] + 2'(engine_done_i[e]) - 2'(done_o && report_q[e]);
    end
`ifndef SYNTHESIS
    always_ff @(posedge clk_i) begin
      if (rst_ni && !clear_i && !abort_i) assert (waiting_q[e] != 2'd3) else $error("engine %0d is too far ahead", e);
    end
`endif
  end
endmodule
