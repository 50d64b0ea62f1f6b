// Checks that a burst lies wholly inside the DRAM window. For msq_axi_rd and msq_axi_wr.
//
// start_i with the burst's address and beats, which stay as they are until done_o, three cycles later; ok_o comes with
// it. Three short carry chains instead of one long one; a check every three cycles is far more than bursts need.
module msq_axi_window (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [47:0] base_i,
  input  logic [47:0] size_i,
  input  logic        start_i,
  input  logic [47:0] addr_i,
  input  logic [4:0]  beats_i,
  output logic        done_o,
  output logic        ok_o
);
  logic [2:0]  step_q;
  logic [48:0] offset_q;
  logic [48:0] end_q;
  logic        below_q;
  logic        ok_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) step_q <= '0;
    else step_q <= {step_q[1:0], start_i};
  end

  always_ff @(posedge clk_i) begin
    offset_q <= {1'b0, addr_i} - {1'b0, base_i};
    end_q    <= {1'b0, offset_q[47:0]} + 49'({beats_i, 3'b000});
    below_q  <= offset_q[48];
    ok_q     <= !below_q && end_q <= {1'b0, size_i};
  end

  assign done_o = step_q[2];
  assign ok_o   = ok_q;
endmodule
