// Fetches the residual ahead of its use: the words of all items in the order of the array's last passes.
//
// start_i begins with the configuration inputs (constant from then on); reads are issued while the buffers of all
// clients have room, so several are in flight; one read a cycle and client when they are granted. ready_o: the next
// word of every client is at data_o; ready2_o: the one after it is there, too. pop_i goes on to the next word. An 8-bit
// residual (wide_i) takes two words an item, high nibbles first. Q = 32: client 1 reads the next word of 16 channels.
// stop_i (level) ends the walk and empties the buffers; a request that was made stays until it is granted.
// idle_o: nothing requested, nothing kept.
module msq_drain_skip #(
  parameter int P     = 4,
  parameter int O     = 32,
  parameter int Q     = 16,
  parameter int BANKS = 5,
  parameter int NW    = Q > 16 ? Q / 16 : 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             start_i,
  input  logic             stop_i,
  input  logic             wide_i,
  input  logic [11:0]      tiles_i,
  input  logic [3:0]       last_groups_i,
  input  logic [21:0]      pixels_i,  // less one
  input  logic [23:0]      base_i,
  input  logic             half_i,
  input  logic [23:0]      group_i,
  input  logic [23:0]      plane_i,
  output logic             ready_o,
  output logic             ready2_o,
  output logic [NW*64-1:0] data_o,
  input  logic             pop_i,
  output logic [NW-1:0]    sr_valid_o,
  input  logic [NW-1:0]    sr_ready_i,
  output logic [NW*24-1:0] sr_addr_o,
  input  logic [NW-1:0]    sr_rvalid_i,
  input  logic [NW*64-1:0] sr_rdata_i,
  output logic             idle_o
);
  // Reads under way and words kept; covers grant, three cycles of latency and a few lost arbitrations.
  localparam int DEPTH = 32;
  localparam int LW    = $clog2(DEPTH + 1);
  localparam logic [23:0] ONE = {20'(1 / BANKS), 4'(1 % BANKS)};

  logic          walk_valid, load, low_q;
  logic [23:0]   addr [NW];
  logic [NW-1:0] can_load, has_one, has_two, idle;

  // verilator lint_off PINCONNECTEMPTY
  msq_drain_walk #(.P(P), .O(O), .Q(Q), .BANKS(BANKS), .TILES(0)) u_walk (
    .clk_i, .rst_ni, .start_i, .stop_i, .tiles_i, .last_groups_i, .pixels_i,
    .passes_i(4'd1), .base_i, .half_i, .pixel_i(ONE), .group_i, .tile_i(24'd0),
    .step_i(load && (low_q || !wide_i)), .valid_o(walk_valid), .addr_o(addr[0]),
    .half_o(), .group_o(), .last_pass_o(), .pass_end_o(), .tile_end_o()
  );
  // verilator lint_on PINCONNECTEMPTY

  assign load     = walk_valid && (&can_load) && !stop_i;
  assign ready_o  = &has_one;
  assign ready2_o = &has_two;
  assign idle_o   = !walk_valid && (&idle);

  always_ff @(posedge clk_i) begin
    if (start_i) low_q <= 1'b0;
    else if (load) low_q <= wide_i && !low_q;
  end

  for (genvar w = 0; w < NW; w++) begin : gen_client
    logic          request_q, pop, valid, load_q, pop_q;
    logic [23:0]   addr_q, addr_high;
    logic [LW-1:0] free_q, free, level;  // places; free_q: a cycle before, as load comes late

    if (w > 0) begin : gen_next
      msq_addr_add #(.BANKS(BANKS)) u_next (.a_i(addr[w-1]), .b_i(group_i), .sum_o(addr[w]));
    end
    msq_addr_add #(.BANKS(BANKS)) u_high (.a_i(addr[w]), .b_i(plane_i), .sum_o(addr_high));

    assign free                  = free_q + LW'(pop_q) - LW'(load_q);
    assign can_load[w]           = free != '0 && (!request_q || sr_ready_i[w]);
    assign sr_valid_o[w]         = request_q;
    assign sr_addr_o[w*24 +: 24] = addr_q;
    assign has_one[w]            = valid;
    assign has_two[w]            = level > LW'(1);
    assign idle[w]               = free == LW'(DEPTH);
    assign pop                   = pop_i || (stop_i && valid);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        request_q <= 1'b0;
        load_q    <= 1'b0;
        pop_q     <= 1'b0;
        free_q    <= LW'(DEPTH);
      end else begin
        request_q <= load || (request_q && !sr_ready_i[w]);
        load_q    <= load;
        pop_q     <= pop;
        free_q    <= free;
      end
      if (load) addr_q <= wide_i && !low_q ? addr_high : addr[w];
    end

    msq_level_fifo #(.WIDTH(64), .DEPTH(DEPTH)) u_fifo (
      .clk_i, .rst_ni, .push_i(sr_rvalid_i[w]), .data_i(sr_rdata_i[w*64 +: 64]),
      .valid_o(valid), .data_o(data_o[w*64 +: 64]), .pop_i(pop), .level_o(level)
    );
  end
endmodule
