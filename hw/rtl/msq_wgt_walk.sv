// The rows of a WEIGHTS instruction, tile after tile: rows of parameters, then rows of weights.
//
// load_i begins; step_i goes past the current row. The fields stay as they are until the walk is over. param_o and
// param_row_o describe the current row; last_row_o: the last of its tile; last_o: the last of all.
module msq_wgt_walk (
  input  logic        clk_i,
  input  logic        load_i,
  input  logic [15:0] tiles_i,
  input  logic [2:0]  param_rows_i,
  input  logic [15:0] weight_rows_i,
  input  logic        step_i,
  output logic        param_o,
  output logic [1:0]  param_row_o,
  output logic        last_row_o,
  output logic        last_o
);
  logic        param_q;
  logic [1:0]  param_row_q;
  logic [15:0] rows_q, tiles_q;  // left, but one

  assign param_o     = param_q;
  assign param_row_o = param_row_q;
  assign last_row_o  = !param_q && rows_q == '0;
  assign last_o      = last_row_o && tiles_q == '0;

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      param_q     <= 1'b1;
      param_row_q <= '0;
      rows_q      <= weight_rows_i - 16'd1;
      tiles_q     <= tiles_i - 16'd1;
    end else if (step_i) begin
      if (param_q) begin
        param_row_q <= param_row_q + 2'd1;
        if (3'(param_row_q) + 3'd1 == param_rows_i) begin
          param_q     <= 1'b0;
          param_row_q <= '0;
        end
      end else if (rows_q == '0) begin
        param_q <= 1'b1;
        rows_q  <= weight_rows_i - 16'd1;
        tiles_q <= tiles_q - 16'd1;
      end else begin
        rows_q <= rows_q - 16'd1;
      end
    end
  end
endmodule
