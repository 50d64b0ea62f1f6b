// One AXI4 write port (64-bit data, INCR bursts of at most 16 beats, one ID) for one client.
//
// The client asks for a burst of 1..16 beats that crosses no 4 KB boundary, then gives its beats; beats of accepted
// bursts may be given as soon as they are ready, and the client must have them without fail. A burst is taken every
// six cycles at most; data pass through one register, one beat a cycle. At most OUTSTANDING bursts wait for their
// response. A burst outside the window is not issued: range_err_o pulses and its beats are swallowed.
// err_o pulses for a response other than OKAY. idle_o: every accepted burst has been answered; low from the cycle after
// a request was taken on.
module msq_axi_wr #(
  parameter int OUTSTANDING = 8  // a power of two
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [47:0] win_base_i,
  input  logic [47:0] win_size_i,
  input  logic        req_valid_i,
  output logic        req_ready_o,
  input  logic [47:0] req_addr_i,
  input  logic [4:0]  req_beats_i,
  input  logic        wdata_valid_i,
  output logic        wdata_ready_o,
  input  logic [63:0] wdata_i,
  output logic        err_o,
  output logic        range_err_o,
  output logic        idle_o,

  output logic        m_awvalid_o,
  input  logic        m_awready_i,
  output logic [47:0] m_awaddr_o,
  output logic [7:0]  m_awlen_o,
  output logic [2:0]  m_awsize_o,
  output logic [1:0]  m_awburst_o,
  output logic        m_wvalid_o,
  input  logic        m_wready_i,
  output logic [63:0] m_wdata_o,
  output logic [7:0]  m_wstrb_o,
  output logic        m_wlast_o,
  input  logic        m_bvalid_i,
  output logic        m_bready_o,
  input  logic [1:0]  m_bresp_i
);
  localparam int PW = $clog2(OUTSTANDING);

  typedef enum logic [1:0] {StIdle, StCheck, StWait, StIssue} state_e;
  state_e state_q;

  logic [47:0] addr_q;
  logic [4:0]  beats_q;
  logic        check_start, check_done, check_ok, ok_q;
  logic        show, push, leave, room, empty;
  logic [PW:0] open_q;  // bursts issued and not answered

  assign check_start = state_q == StCheck;

  msq_axi_window u_window (
    .clk_i, .rst_ni, .base_i(win_base_i), .size_i(win_size_i),
    .start_i(check_start), .addr_i(addr_q), .beats_i(beats_q), .done_o(check_done), .ok_o(check_ok)
  );

  assign req_ready_o = state_q == StIdle;
  // A burst's data are due from the cycle in which its address is shown: they must not wait for the address to be taken.
  assign show  = room && ((state_q == StWait && check_done && check_ok) || (state_q == StIssue && ok_q && !m_awvalid_o));
  assign push  = show || (room && state_q == StIssue && !ok_q);
  assign leave = state_q == StIssue && (ok_q ? m_awvalid_o && m_awready_i : room);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q     <= StIdle;
      range_err_o <= 1'b0;
      m_awvalid_o <= 1'b0;
    end else begin
      range_err_o <= 1'b0;
      unique case (state_q)
        StIdle: if (req_valid_i) state_q <= StCheck;
        StCheck: state_q <= StWait;
        StWait: begin
          if (check_done) begin
            state_q     <= StIssue;
            range_err_o <= !check_ok;
            m_awvalid_o <= show;
          end
        end
        default: begin
          if (leave) begin
            state_q     <= StIdle;
            m_awvalid_o <= 1'b0;
          end else if (show) begin
            m_awvalid_o <= 1'b1;
          end
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) begin
      addr_q  <= req_addr_i;
      beats_q <= req_beats_i;
    end
    if (state_q == StWait) ok_q <= check_ok;
  end

  assign m_awaddr_o  = addr_q;
  assign m_awlen_o   = {3'b0, 5'(beats_q - 5'd1)};
  assign m_awsize_o  = 3'd3;
  assign m_awburst_o = 2'd1;

  // Bursts whose data are due, in order: beats - 1, swallow.
  (* ram_style = "distributed" *)
  logic [4:0]  order [OUTSTANDING];
  logic [PW:0] wr_q, rd_q;
  logic [3:0]  beat_q, head_last;
  logic        head_swallow, take, last, full;

  assign full  = wr_q[PW] != rd_q[PW] && wr_q[PW-1:0] == rd_q[PW-1:0];
  assign empty = wr_q == rd_q;
  assign room  = !full && open_q != (PW + 1)'(OUTSTANDING);
  assign {head_last, head_swallow} = order[rd_q[PW-1:0]];
  assign wdata_ready_o = !empty && (head_swallow || !m_wvalid_o || m_wready_i);
  assign take = wdata_valid_i && wdata_ready_o;
  assign last = beat_q == head_last;

  always_ff @(posedge clk_i) begin
    if (push) order[wr_q[PW-1:0]] <= {4'(beats_q - 5'd1), !show};
    if (take && !head_swallow) begin
      m_wdata_o <= wdata_i;
      m_wlast_o <= last;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q       <= '0;
      rd_q       <= '0;
      beat_q     <= '0;
      open_q     <= '0;
      m_wvalid_o <= 1'b0;
      err_o      <= 1'b0;
    end else begin
      if (push) wr_q <= wr_q + 1'b1;
      if (take) beat_q <= last ? '0 : beat_q + 4'd1;
      if (take && last) rd_q <= rd_q + 1'b1;
      if (take && !head_swallow) m_wvalid_o <= 1'b1;
      else if (m_wready_i) m_wvalid_o <= 1'b0;
      open_q <= open_q + (PW + 1)'(show) - (PW + 1)'(m_bvalid_i);
      err_o  <= m_bvalid_i && m_bresp_i != 2'b00;
    end
  end

  assign m_wstrb_o  = '1;
  assign m_bready_o = 1'b1;
  assign idle_o     = state_q == StIdle && empty && open_q == '0 && !err_o;

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && m_bvalid_i) begin
      assert (open_q != '0) else $error("msq_axi_wr: a response to no burst");
    end
  end
`endif
endmodule
