// Controls the read-out of the accumulators: which item of Q lanes x 24 bits is out in which cycle.
//
// start_i comes one cycle before the accumulators hold a pass's final sums, with the numbers of pixels and of groups of
// Q lanes that are wanted. Then, in the order group, pixel (fastest), item group * P + pixel is read in each of the
// next last_px * last_grp cycles without a stall: capture_o comes in cycle t (msq_shadow copies the accumulators on
// the second edge after it), select_o holds the items from t + 1 on, out_valid_o is 1 from t + 3 on, with t the
// cycle of start_i. The next start_i may come last_px * last_grp cycles after this one, not earlier.
module msq_readout #(
  parameter int P = 2,
  parameter int GROUPS = 1,
  parameter int IW = 1  // bits of an item's number
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic          start_i,
  input  logic [3:0]    last_px_i,
  input  logic [4:0]    last_grp_i,
  output logic          capture_o,
  output logic [IW-1:0] select_o,
  output logic          out_valid_o
);
  logic          busy_q;
  logic [3:0]    px_left_q;   // pixels after this one in this group
  logic [4:0]    grp_left_q;  // groups after this one
  logic [3:0]    px_last_q;   // pixels of a group, less one
  logic [IW-1:0] item_q, group_q;  // this item; the first item of its group
  logic [1:0]    valid_q;
  logic          next_group, finished;

  assign next_group = px_left_q == 4'd0;
  assign finished = next_group && grp_left_q == 5'd0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      valid_q <= 2'b0;
    end else begin
      busy_q <= start_i || (busy_q && !finished);
      valid_q <= {valid_q[0], busy_q};
    end
    if (start_i) begin
      px_last_q <= last_px_i - 4'd1;
      px_left_q <= last_px_i - 4'd1;
      grp_left_q <= last_grp_i - 5'd1;
      item_q <= '0;
      group_q <= '0;
    end else if (busy_q && next_group) begin
      px_left_q <= px_last_q;
      grp_left_q <= grp_left_q - 5'd1;
      item_q <= group_q + IW'(P);
      group_q <= group_q + IW'(P);
    end else if (busy_q) begin
      px_left_q <= px_left_q - 4'd1;
      item_q <= item_q + 1'b1;
    end
  end

  assign capture_o = start_i;
  assign select_o = item_q;
  assign out_valid_o = valid_q[1];

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && start_i) begin
      assert (!busy_q || finished) else $error("two passes end too close to each other");
      assert (last_px_i != 4'd0 && last_px_i <= 4'(P)) else $error("number of pixels");
      assert (last_grp_i != 5'd0 && last_grp_i <= 5'(GROUPS)) else $error("number of groups");
    end
  end
`endif
endmodule
