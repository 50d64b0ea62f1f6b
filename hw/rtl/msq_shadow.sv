// One lane of the read-out: copies of ITEMS accumulators, so that the next pass can begin at once, and their
// multiplexer.
//
// capture_i in cycle t: the values that items_i has in cycle t + 1 are held from t + 2 on. select_i in cycle t: that
// item is data_o in cycle t + 2, as held in t + 1. Both controls have a register in each lane because of their fan-out.
module msq_shadow #(
  parameter int ITEMS = 2,
  parameter int IW = 1
) (
  input  logic                clk_i,
  input  logic                capture_i,
  input  logic [IW-1:0]       select_i,
  input  logic [24*ITEMS-1:0] items_i,
  output logic [23:0]         data_o
);
  (* keep = "true" *) logic          capture_q;
  (* keep = "true" *) logic [IW-1:0] select_q;

  logic [24*ITEMS-1:0] held_q;
  logic [23:0]         held [ITEMS];
  logic [23:0]         data_q;

  for (genvar i = 0; i < ITEMS; i++) begin : gen_item
    assign held[i] = held_q[24*i+:24];
  end

  always_ff @(posedge clk_i) begin
    capture_q <= capture_i;
    select_q <= select_i;
    if (capture_q) held_q <= items_i;
    data_q <= held[select_q];
  end
  assign data_o = data_q;
endmodule
