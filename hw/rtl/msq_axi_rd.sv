// One AXI4 read port (64-bit data, INCR bursts of at most 16 beats, one ID) shared by CLIENTS clients.
//
// A client asks for a burst of 1..16 beats that crosses no 4 KB boundary and has room for all of it: data come without
// handshake, in the order of the client's requests, data_last_o with the last beat of each burst. Client 0 has the
// highest priority. A request is taken every six cycles at most; data pass with one cycle of latency, one beat a
// cycle. At most OUTSTANDING bursts are under way.
// A burst outside the window [win_base_i, win_base_i + win_size_i) is not issued: range_err_o pulses and the client
// gets zeros in its place, so that nothing waits for ever. m_rready_o is low while such zeros are handed out, and while
// no data are due.
// err_o pulses for each beat with a response other than OKAY. idle_o: nothing is under way.
module msq_axi_rd #(
  parameter int CLIENTS     = 2,
  parameter int OUTSTANDING = 8  // a power of two
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [47:0]           win_base_i,
  input  logic [47:0]           win_size_i,
  input  logic [CLIENTS-1:0]    req_valid_i,
  output logic [CLIENTS-1:0]    req_ready_o,
  input  logic [CLIENTS*48-1:0] req_addr_i,
  input  logic [CLIENTS*5-1:0]  req_beats_i,
  output logic [CLIENTS-1:0]    data_valid_o,
  output logic [63:0]           data_o,
  output logic                  data_last_o,
  output logic                  err_o,
  output logic                  range_err_o,
  output logic                  idle_o,

  output logic                  m_arvalid_o,
  input  logic                  m_arready_i,
  output logic [47:0]           m_araddr_o,
  output logic [7:0]            m_arlen_o,
  output logic [2:0]            m_arsize_o,
  output logic [1:0]            m_arburst_o,
  input  logic                  m_rvalid_i,
  output logic                  m_rready_o,
  input  logic [63:0]           m_rdata_i,
  input  logic [1:0]            m_rresp_i,
  input  logic                  m_rlast_i
);
  localparam int CW = CLIENTS > 1 ? $clog2(CLIENTS) : 1;
  localparam int PW = $clog2(OUTSTANDING);
  localparam int EW = CW + 4 + 1;  // an entry of the order: client, beats - 1, zeros

  typedef enum logic [1:0] {StIdle, StCheck, StWait, StIssue} state_e;
  state_e state_q;

  // The client that is taken next.
  logic          any;
  logic [CW-1:0] pick;
  logic [47:0]   pick_addr;
  logic [4:0]    pick_beats;
  always_comb begin
    any        = 1'b0;
    pick       = '0;
    pick_addr  = '0;
    pick_beats = '0;
    for (int c = CLIENTS - 1; c >= 0; c--) begin
      if (req_valid_i[c]) begin
        any        = 1'b1;
        pick       = CW'(c);
        pick_addr  = req_addr_i[c*48+:48];
        pick_beats = req_beats_i[c*5+:5];
      end
    end
  end
  always_comb begin
    for (int c = 0; c < CLIENTS; c++) req_ready_o[c] = state_q == StIdle && any && pick == CW'(c);
  end

  // One request at a time: window check, then the address channel.
  logic [CW-1:0] client_q;
  logic [47:0]   addr_q;
  logic [4:0]    beats_q;
  logic          check_start, check_done, check_ok, ok_q;
  logic          push, full, empty;

  assign check_start = state_q == StCheck;

  msq_axi_window u_window (
    .clk_i, .rst_ni, .base_i(win_base_i), .size_i(win_size_i),
    .start_i(check_start), .addr_i(addr_q), .beats_i(beats_q), .done_o(check_done), .ok_o(check_ok)
  );

  assign push = state_q == StIssue && (ok_q ? m_arvalid_o && m_arready_i : !full);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q     <= StIdle;
      range_err_o <= 1'b0;
      m_arvalid_o <= 1'b0;
    end else begin
      range_err_o <= 1'b0;
      unique case (state_q)
        StIdle: if (any) state_q <= StCheck;
        StCheck: state_q <= StWait;
        StWait: begin
          if (check_done) begin
            state_q     <= StIssue;
            range_err_o <= !check_ok;
            m_arvalid_o <= check_ok && !full;
          end
        end
        default: begin
          if (push) begin
            state_q     <= StIdle;
            m_arvalid_o <= 1'b0;
          end else if (ok_q && !full) begin
            m_arvalid_o <= 1'b1;
          end
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) begin
      client_q <= pick;
      addr_q   <= pick_addr;
      beats_q  <= pick_beats;
    end
    if (state_q == StWait) ok_q <= check_ok;
  end

  assign m_araddr_o  = addr_q;
  assign m_arlen_o   = {3'b0, 5'(beats_q - 5'd1)};
  assign m_arsize_o  = 3'd3;
  assign m_arburst_o = 2'd1;

  // The order in which bursts were issued, which is the order of their data.
  (* ram_style = "distributed" *)
  logic [EW-1:0] order [OUTSTANDING];
  logic [PW:0]   wr_q, rd_q;
  logic [3:0]    beat_q;
  logic [CW-1:0] head_client;
  logic [3:0]    head_last;
  logic          head_zeros, take, last;

  assign full  = wr_q[PW] != rd_q[PW] && wr_q[PW-1:0] == rd_q[PW-1:0];
  assign empty = wr_q == rd_q;
  assign {head_client, head_last, head_zeros} = order[rd_q[PW-1:0]];
  assign m_rready_o = !empty && !head_zeros;
  assign take = !empty && (head_zeros || m_rvalid_i);
  assign last = beat_q == head_last;

  always_ff @(posedge clk_i) begin
    if (push) order[wr_q[PW-1:0]] <= {client_q, 4'(beats_q - 5'd1), !ok_q};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q   <= '0;
      rd_q   <= '0;
      beat_q <= '0;
    end else begin
      if (push) wr_q <= wr_q + 1'b1;
      if (take) beat_q <= last ? '0 : beat_q + 4'd1;
      if (take && last) rd_q <= rd_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      data_valid_o <= '0;
      err_o        <= 1'b0;
    end else begin
      for (int c = 0; c < CLIENTS; c++) data_valid_o[c] <= take && head_client == CW'(c);
      err_o <= take && !head_zeros && m_rresp_i != 2'b00;
    end
    data_o      <= head_zeros ? '0 : m_rdata_i;
    data_last_o <= last;
  end

  assign idle_o = state_q == StIdle && empty && data_valid_o == '0;

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && m_rvalid_i && m_rready_o) begin
      assert (m_rlast_i == last) else $error("msq_axi_rd: rlast where it does not belong");
    end
  end
`else
  logic unused;
  assign unused = m_rlast_i;
`endif
endmodule
