// Sixteen counters of 64 bits that share one memory and one adder.
//
// Each counter gathers its events in a few flip-flops, and once in 16 cycles its turn comes to add them to the memory:
// far fewer LUTs than sixteen counters side by side, and reading needs no multiplexer. value_o is counter slot_o, with
// all events up to three cycles before; the slots take turns, so a reader waits for his at most 16 cycles. clear_i sets
// all counters to CLEAR_VALUE, whatever the events of that cycle; two cycles later the slots show it. Nothing stalls.
module msq_counters #(
  parameter int WIDE = 7,  // the one counter whose events come up to seven a cycle
  parameter logic [63:0] CLEAR_VALUE = '0  // not 0 in tests that want carries
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,
  input  logic [15:0] event_i,       // bit WIDE is not used
  input  logic [2:0]  wide_event_i,
  output logic [3:0]  slot_o,
  output logic [63:0] value_o
);
  localparam int PW = 7;  // 16 cycles of up to 7 events

  // First stage: the slot's turn. Its events move on, and its gathering begins again with the event of this cycle.
  logic [3:0]    slot_q;
  logic [PW-1:0] pending [16];

  for (genvar i = 0; i < 16; i++) begin : gen_pending
    localparam int W = i == WIDE ? PW : 5;
    logic [W-1:0] pending_q, base, step;
    assign step = i == WIDE ? W'(wide_event_i) : W'(event_i[i]);
    assign base = slot_q == 4'(i) ? '0 : pending_q;
    assign pending[i] = PW'(pending_q);
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i) pending_q <= '0;
      else                    pending_q <= base + step;
    end
  end

  (* ram_style = "distributed" *) logic [63:0] memory [16];
  logic [63:0]   old_q;
  logic [PW-1:0] added_q;
  logic [3:0]    turn_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) slot_q <= '0;
    else         slot_q <= slot_q + 4'd1;
    old_q   <= memory[slot_q];
    added_q <= clear_i ? '0 : pending[slot_q];
    turn_q  <= slot_q;
  end

  // Second stage: the sum. After a clear, one round begins anew whatever the memory holds.
  logic [4:0]  fresh_q;
  logic [63:0] sum;
  assign sum = (fresh_q != '0 ? CLEAR_VALUE : old_q) + 64'(added_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) fresh_q <= 5'd16;
    else if (fresh_q != '0) fresh_q <= fresh_q - 5'd1;
    memory[turn_q] <= sum;
    slot_o         <= turn_q;
    value_o        <= sum;
  end

  logic unused_event;
  assign unused_event = event_i[WIDE];
endmodule
