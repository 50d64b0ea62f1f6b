// The bursts of one port's stream of a WEIGHTS instruction: LANES beats for each row, or LANES / 16 for a row of weights
// with diagonal_i, in bursts of 16 beats.
//
// work_i: there is an instruction that this port has not asked for; its fields stay until all ports have it. done_o
// pulses when the last burst of an instruction was accepted; work_i then speaks of the next one, from the cycle after
// on. A burst is asked for when room_i says that 16 more beats have room. At least one burst every four cycles; every 20
// with diagonal_i.
module msq_wgt_requests #(
  parameter int LANES = 16,
  parameter int PORT  = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        stop_i,
  input  logic        work_i,
  input  logic [47:0] dram_i,
  input  logic [31:0] port_stride_i,
  input  logic [15:0] tiles_i,
  input  logic [2:0]  param_rows_i,
  input  logic [15:0] weight_rows_i,
  input  logic        diagonal_i,
  output logic        done_o,
  input  logic        room_i,
  output logic        req_valid_o,
  input  logic        req_ready_i,
  output logic [47:0] req_addr_o
);
  localparam int DW = $clog2(LANES + 16) + 1;

  typedef enum logic [1:0] {StIdle, StBase, StRun} state_e;
  state_e state_q;

  logic [2:0]    ports_q;  // strides still to be added
  logic [47:0]   addr_q;
  logic [DW-1:0] beats_q;  // beats that no burst has been asked for yet
  logic          rows_done_q;
  logic          load, step, accepted, last;
  logic          param, unused_last_row;
  logic [1:0]    unused_param_row;

  assign load     = state_q == StIdle && work_i;
  assign step     = state_q == StRun && !rows_done_q && beats_q < DW'(16);
  assign accepted = req_valid_o && req_ready_i;
  assign done_o   = state_q == StRun && rows_done_q && beats_q == '0 && !stop_i;

  msq_wgt_walk u_walk (
    .clk_i, .load_i(load), .tiles_i, .param_rows_i, .weight_rows_i, .step_i(step), .param_o(param),
    .param_row_o(unused_param_row), .last_row_o(unused_last_row), .last_o(last)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni || stop_i) begin
      state_q     <= StIdle;
      req_valid_o <= 1'b0;
    end else begin
      unique case (state_q)
        StIdle: if (work_i) state_q <= StBase;
        StBase: if (ports_q == '0) state_q <= StRun;
        default: if (done_o) state_q <= StIdle;
      endcase
      if (accepted) begin
        req_valid_o <= 1'b0;
      end else if (state_q == StRun && room_i && (beats_q >= DW'(16) || (rows_done_q && beats_q != '0))) begin
        req_valid_o <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (load) begin
      addr_q      <= dram_i;
      ports_q     <= 3'(PORT);
      beats_q     <= '0;
      rows_done_q <= 1'b0;
    end else begin
      if (state_q == StBase && ports_q != '0) begin
        ports_q <= ports_q - 3'd1;
        addr_q  <= addr_q + 48'(port_stride_i);
      end
      if (accepted) begin
        addr_q  <= addr_q + 48'd128;
        beats_q <= beats_q > DW'(16) ? beats_q - DW'(16) : '0;
      end else if (step) begin
        beats_q     <= beats_q + (diagonal_i && !param ? DW'(LANES / 16) : DW'(LANES));
        rows_done_q <= last;
      end
    end
  end

  assign req_addr_o = addr_q;
endmodule
