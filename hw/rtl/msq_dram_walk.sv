// The bursts of a LOAD or STORE in DRAM: each row cut at multiples of 128 bytes, so that no burst crosses 4 KB.
//
// load_i takes the fields; then valid_o with a burst's address and beats until next_i, and the next burst two cycles
// later. done_o: all bursts have been taken (or none was asked for). stop_i ends the walk.
module msq_dram_walk (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        load_i,
  input  logic        stop_i,
  input  logic [15:0] rows_i,
  input  logic [15:0] row_words_i,
  input  logic [47:0] dram_i,
  input  logic [31:0] row_stride_i,
  input  logic        next_i,
  output logic        valid_o,
  output logic [47:0] addr_o,
  output logic [4:0]  beats_o,
  output logic        done_o
);
  typedef enum logic [1:0] {StIdle, StCut, StOffer} state_e;
  state_e state_q;

  logic [47:0] row_q, addr_q;
  logic [31:0] stride_q;
  logic [15:0] rows_q, left_q, row_words_q;  // rows left but one; words left of the row
  logic [4:0]  beats_q, to_boundary;
  logic        row_end_q;
  logic [47:0] next_row;

  assign valid_o = state_q == StOffer;
  assign addr_o  = addr_q;
  assign beats_o = beats_q;
  assign done_o  = state_q == StIdle;

  assign to_boundary = 5'd16 - {1'b0, addr_q[6:3]};
  assign next_row    = row_q + {{16{stride_q[31]}}, stride_q};

  always_ff @(posedge clk_i) begin
    if (!rst_ni || stop_i) begin
      state_q <= StIdle;
    end else if (load_i) begin
      state_q <= StCut;
    end else begin
      unique case (state_q)
        StCut: state_q <= StOffer;
        StOffer: if (next_i) state_q <= row_end_q && rows_q == '0 ? StIdle : StCut;
        default: state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      row_q       <= dram_i;
      addr_q      <= dram_i;
      stride_q    <= row_stride_i;
      rows_q      <= rows_i - 16'd1;
      left_q      <= row_words_i;
      row_words_q <= row_words_i;
    end else if (state_q == StCut) begin
      beats_q   <= left_q <= 16'(to_boundary) ? left_q[4:0] : to_boundary;
      row_end_q <= left_q <= 16'(to_boundary);
    end else if (next_i) begin
      if (row_end_q) begin
        row_q  <= next_row;
        addr_q <= next_row;
        rows_q <= rows_q - 16'd1;
        left_q <= row_words_q;
      end else begin
        addr_q <= {addr_q[47:7] + 41'd1, 7'b0};
        left_q <= left_q - 16'(beats_q);
      end
    end
  end
endmodule
