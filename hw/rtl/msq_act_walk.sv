// The words of a LOAD or STORE in the activation memory: rows of words at a fixed step, one address a cycle.
//
// load_i takes the fields; from the next cycle on valid_o and addr_o, and next_i goes on to the following word. last_o
// marks the last word; after it valid_o falls. stop_i ends the walk.
module msq_act_walk #(
  parameter int BANKS = 5
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        load_i,
  input  logic        stop_i,
  input  logic [15:0] rows_i,
  input  logic [15:0] row_words_i,
  input  logic [23:0] act_i,
  input  logic [23:0] step_i,
  input  logic [23:0] row_step_i,
  input  logic        next_i,
  output logic        valid_o,
  output logic [23:0] addr_o,
  output logic        last_o
);
  logic        valid_q;
  logic [23:0] addr_q, step_q, row_step_q, next_addr;
  logic [15:0] rows_q, words_q, row_words_q;  // rows and words left, but one
  logic        row_end_q;                     // words_q is 0

  assign last_o  = row_end_q && rows_q == '0;
  assign valid_o = valid_q;
  assign addr_o  = addr_q;

  msq_addr_add #(.BANKS(BANKS)) u_add (.a_i(addr_q), .b_i(row_end_q ? row_step_q : step_q), .sum_o(next_addr));

  always_ff @(posedge clk_i) begin
    valid_q <= rst_ni && !stop_i && (load_i || (valid_q && !(next_i && last_o)));
  end

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      addr_q      <= act_i;
      step_q      <= step_i;
      row_step_q  <= row_step_i;
      rows_q      <= rows_i - 16'd1;
      words_q     <= row_words_i - 16'd1;
      row_words_q <= row_words_i - 16'd1;
      row_end_q   <= row_words_i == 16'd1;
    end else if (next_i) begin
      addr_q    <= next_addr;
      words_q   <= row_end_q ? row_words_q : words_q - 16'd1;
      row_end_q <= row_end_q ? row_words_q == '0 : words_q == 16'd1;
      if (row_end_q) rows_q <= rows_q - 16'd1;
    end
  end
endmodule
