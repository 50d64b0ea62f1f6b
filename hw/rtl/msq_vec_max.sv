// VEC's maximum over a window: takes words in order, gives the maximum of each of 16 codes.
//
// One word a cycle, never stalls. A word with !read_i counts as zeros, the least code. With wide_i a tap is two words,
// low nibbles, then high ones (high_i), compared as 8-bit codes. first_i, last_i: the tap is the window's first, last.
// The result comes out 2 cycles after the last tap's last word; with wide_i its low word then, its high one a cycle
// later.
module msq_vec_max (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        wide_i,  // constant while words are under way

  input  logic        valid_i,
  input  logic        read_i,
  input  logic        high_i,
  input  logic        first_i,
  input  logic        last_i,
  input  logic [63:0] data_i,

  output logic        valid_o,
  output logic [63:0] data_o
);
  logic        tap_q, first_q, last_q;  // a tap is complete in low_q, high_q
  logic [63:0] low_q, high_q;
  logic [63:0] max_low_q, max_high_q;
  logic        low_out_q, high_out_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tap_q      <= 1'b0;
      low_out_q  <= 1'b0;
      high_out_q <= 1'b0;
    end else begin
      tap_q      <= valid_i && (!wide_i || high_i);
      low_out_q  <= tap_q && last_q;
      high_out_q <= low_out_q && wide_i;
    end
  end

  always_ff @(posedge clk_i) begin
    first_q <= first_i;
    last_q  <= last_i;
    if (valid_i && !high_i) low_q <= read_i ? data_i : '0;
    if (valid_i) high_q <= read_i && high_i ? data_i : '0;
  end

  for (genvar i = 0; i < 16; i++) begin : gen_code
    always_ff @(posedge clk_i) begin
      if (tap_q && (first_q || {high_q[i*4+:4], low_q[i*4+:4]} > {max_high_q[i*4+:4], max_low_q[i*4+:4]})) begin
        max_low_q[i*4+:4]  <= low_q[i*4+:4];
        max_high_q[i*4+:4] <= high_q[i*4+:4];
      end
    end
  end

  assign valid_o = low_out_q || high_out_q;
  assign data_o  = high_out_q ? max_high_q : max_low_q;
endmodule
