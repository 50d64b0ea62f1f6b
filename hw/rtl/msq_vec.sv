// The VEC unit: word by word in the activation memory, the maximum over a window, or a copy (window 1x1).
//
// Command interface of all units: one instruction at a time; done_o pulses in the cycle after the last write was
// granted. error_o pulses instead, and nothing is done, when a count of the instruction is 0. abort_i lets the tap
// under way and all before it end, with their writes, and drops the rest without done_o. idle_o: nothing under way.
//
// Read client (vr_*): an address stays until vr_ready_i; its data are taken exactly 3 cycles later. Write client
// (vw_*): address and data stay until vw_ready_i. One tap word a cycle, inside the input or not, as long as both are
// granted; two words a tap and output with `wide`. Reads run at most 32 output words ahead of writes: an instruction
// must not read what it writes. From a command to its first read: 5 cycles; from an output's last read to its write: 7.
module msq_vec #(
  parameter int BANKS = 5
) (
  input  logic          clk_i,
  input  logic          rst_ni,

  input  logic          cmd_valid_i,
  output logic          cmd_ready_o,
  input  logic [1023:0] cmd_instr_i,
  output logic          done_o,
  output logic          error_o,
  input  logic          abort_i,
  output logic          idle_o,

  output logic          vr_valid_o,
  input  logic          vr_ready_i,
  output logic [23:0]   vr_addr_o,
  input  logic          vr_rvalid_i,
  input  logic [63:0]   vr_rdata_i,

  output logic          vw_valid_o,
  input  logic          vw_ready_i,
  output logic [23:0]   vw_addr_o,
  output logic [63:0]   vw_data_o
);
  // Steps to an address, as msq_vec_walk numbers them: those that start from the output's first tap, and two more.
  localparam logic [2:0] StepStart = 3'd0;
  localparam logic [2:0] StepPixel = 3'd3;
  localparam logic [2:0] StepGroup = 3'd5;
  localparam logic [2:0] StepPlane = 3'd6;

  localparam int QueueBits = 5;  // output words on their way: 2^QueueBits

  //------------------------------------------------------------------------------------------------------------------
  // The instruction.
  //------------------------------------------------------------------------------------------------------------------
  /* verilator lint_off UNUSEDSIGNAL */  // holds fields of other instructions too
  logic [1023:0] instr_q;
  /* verilator lint_on UNUSEDSIGNAL */
  logic busy_q, accepted_q, start_q, empty_count_q, aborted_q;
  logic accept, begin_walk, empty_count, finish;
  logic wide;

  assign wide        = instr_q[msq_isa::VEC_WIDE_LSB];
  assign accept      = cmd_valid_i && cmd_ready_o;
  assign empty_count = instr_q[msq_isa::VEC_GROUPS_LSB+:msq_isa::VEC_GROUPS_W] == '0 ||
                       instr_q[msq_isa::VEC_OUT_HEIGHT_LSB+:msq_isa::VEC_OUT_HEIGHT_W] == '0 ||
                       instr_q[msq_isa::VEC_OUT_WIDTH_LSB+:msq_isa::VEC_OUT_WIDTH_W] == '0 ||
                       instr_q[msq_isa::VEC_KERNEL_H_LSB+:msq_isa::VEC_KERNEL_H_W] == '0 ||
                       instr_q[msq_isa::VEC_KERNEL_W_LSB+:msq_isa::VEC_KERNEL_W_W] == '0;
  assign begin_walk  = start_q && !empty_count_q && !abort_i;
  assign cmd_ready_o = !busy_q && !abort_i;
  assign idle_o      = !busy_q;

  always_ff @(posedge clk_i) begin
    if (accept) instr_q <= cmd_instr_i;
    empty_count_q <= empty_count;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q     <= 1'b0;
      accepted_q <= 1'b0;
      start_q    <= 1'b0;
      aborted_q  <= 1'b0;
      done_o     <= 1'b0;
      error_o    <= 1'b0;
    end else begin
      accepted_q <= accept;
      start_q    <= accepted_q;
      done_o     <= busy_q && finish && !aborted_q && !abort_i;
      error_o    <= start_q && empty_count_q;
      aborted_q  <= !accept && (aborted_q || abort_i);
      if (accept) busy_q <= 1'b1;
      else if (finish || (start_q && !begin_walk)) busy_q <= 1'b0;
    end
  end

  //------------------------------------------------------------------------------------------------------------------
  // Which words: the walk, and a cycle later the distance to each address.
  //------------------------------------------------------------------------------------------------------------------
  logic       go;
  logic       walk_valid, walk_read, walk_high, walk_first, walk_last;
  logic [2:0] walk_in_step, walk_out_step;

  msq_vec_walk u_walk (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (begin_walk),
    .stop_i       (abort_i),
    .go_i         (go && walk_valid),
    .wide_i       (wide),
    .groups_i     (instr_q[msq_isa::VEC_GROUPS_LSB+:msq_isa::VEC_GROUPS_W]),
    .out_height_i (instr_q[msq_isa::VEC_OUT_HEIGHT_LSB+:msq_isa::VEC_OUT_HEIGHT_W]),
    .out_width_i  (instr_q[msq_isa::VEC_OUT_WIDTH_LSB+:msq_isa::VEC_OUT_WIDTH_W]),
    .kernel_h_i   (instr_q[msq_isa::VEC_KERNEL_H_LSB+:msq_isa::VEC_KERNEL_H_W]),
    .kernel_w_i   (instr_q[msq_isa::VEC_KERNEL_W_LSB+:msq_isa::VEC_KERNEL_W_W]),
    .stride_y_i   (instr_q[msq_isa::VEC_STRIDE_Y_LSB+:msq_isa::VEC_STRIDE_Y_W]),
    .stride_x_i   (instr_q[msq_isa::VEC_STRIDE_X_LSB+:msq_isa::VEC_STRIDE_X_W]),
    .in_height_i  (instr_q[msq_isa::VEC_IN_HEIGHT_LSB+:msq_isa::VEC_IN_HEIGHT_W]),
    .in_width_i   (instr_q[msq_isa::VEC_IN_WIDTH_LSB+:msq_isa::VEC_IN_WIDTH_W]),
    .first_y_i    (instr_q[msq_isa::VEC_FIRST_Y_LSB+:msq_isa::VEC_FIRST_Y_W]),
    .first_x_i    (instr_q[msq_isa::VEC_FIRST_X_LSB+:msq_isa::VEC_FIRST_X_W]),
    .valid_o      (walk_valid),
    .read_o       (walk_read),
    .high_o       (walk_high),
    .first_o      (walk_first),
    .last_o       (walk_last),
    .in_step_o    (walk_in_step),
    .out_step_o   (walk_out_step)
  );

  logic        word_valid_q;
  logic [2:0]  in_step_q, out_step_q;
  logic [23:0] in_distance_q, out_distance_q;
  logic [3:0]  word_kind_q;  // {read, high, first, last}

  always_ff @(posedge clk_i) begin
    if (!rst_ni) word_valid_q <= 1'b0;
    else if (go) word_valid_q <= walk_valid;
  end

  always_ff @(posedge clk_i) begin
    if (go) begin
      in_step_q   <= walk_in_step;
      out_step_q  <= walk_out_step;
      word_kind_q <= {walk_read, walk_high, walk_first, walk_last};
      case (walk_in_step)
        3'd0:    in_distance_q <= instr_q[msq_isa::VEC_IN_LSB+:24];
        3'd1:    in_distance_q <= instr_q[msq_isa::VEC_IN_TAP_LSB+:24];
        3'd2:    in_distance_q <= instr_q[msq_isa::VEC_IN_TAP_ROW_LSB+:24];
        3'd3:    in_distance_q <= instr_q[msq_isa::VEC_IN_PIXEL_LSB+:24];
        3'd4:    in_distance_q <= instr_q[msq_isa::VEC_IN_ROW_LSB+:24];
        3'd5:    in_distance_q <= instr_q[msq_isa::VEC_IN_GROUP_LSB+:24];
        default: in_distance_q <= instr_q[msq_isa::VEC_IN_PLANE_LSB+:24];
      endcase
      case (walk_out_step)
        3'd0:    out_distance_q <= instr_q[msq_isa::VEC_OUT_LSB+:24];
        3'd3:    out_distance_q <= instr_q[msq_isa::VEC_OUT_PIXEL_LSB+:24];
        3'd4:    out_distance_q <= instr_q[msq_isa::VEC_OUT_ROW_LSB+:24];
        3'd5:    out_distance_q <= instr_q[msq_isa::VEC_OUT_GROUP_LSB+:24];
        default: out_distance_q <= instr_q[msq_isa::VEC_OUT_PLANE_LSB+:24];
      endcase
    end
  end

  //------------------------------------------------------------------------------------------------------------------
  // Addresses. Kept: of the output's first tap, of the tap, of the output; each of the low plane.
  //------------------------------------------------------------------------------------------------------------------
  logic [23:0] first_tap_q, tap_q, output_q;
  logic [23:0] in_from, out_from, in_sum, out_sum;
  logic        in_from_first, push, push_last;
  logic [23:0] address_q;  // of an output word, on its way to the queue
  logic        address_valid_q;

  assign in_from_first = in_step_q >= StepPixel && in_step_q <= StepGroup;
  assign in_from       = in_step_q == StepStart ? '0 : in_from_first ? first_tap_q : tap_q;
  assign out_from      = out_step_q == StepStart ? '0 : output_q;

  msq_addr_add #(.BANKS(BANKS)) u_in_add (.a_i(in_from), .b_i(in_distance_q), .sum_o(in_sum));
  msq_addr_add #(.BANKS(BANKS)) u_out_add (.a_i(out_from), .b_i(out_distance_q), .sum_o(out_sum));

  assign push      = go && word_valid_q;
  assign push_last = push && word_kind_q[0];

  always_ff @(posedge clk_i) begin
    if (push && in_step_q != StepPlane) tap_q <= in_sum;
    if (push && (in_step_q == StepStart || in_from_first)) first_tap_q <= in_sum;
    if (push_last && out_step_q != StepPlane) output_q <= out_sum;
    address_q <= out_sum;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) address_valid_q <= 1'b0;
    else address_valid_q <= push_last;
  end

  //------------------------------------------------------------------------------------------------------------------
  // Requests: two places, so that vr_ready_i reaches no more than these. A tap outside goes by without a read.
  //------------------------------------------------------------------------------------------------------------------
  logic [27:0] head_q, next_q;  // {address, kind}
  logic [1:0]  requests_q;
  logic        pop;

  assign vr_addr_o = head_q[27:4];
  assign pop       = requests_q != 2'd0 && (!vr_valid_o || vr_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) requests_q <= 2'd0;
    else requests_q <= requests_q + {1'b0, push} - {1'b0, pop};
  end

  // vr_valid_o, that the head is there and reads, is a register: all clients of the memory wait for it.
  always_ff @(posedge clk_i) begin
    if (pop && requests_q[1]) head_q <= next_q;
    else if (pop || requests_q == 2'd0) head_q <= {in_sum, word_kind_q};
    if (!requests_q[1]) next_q <= {in_sum, word_kind_q};
    if (!rst_ni) vr_valid_o <= 1'b0;
    else if (pop && requests_q[1]) vr_valid_o <= next_q[3];
    else if (pop || requests_q == 2'd0) vr_valid_o <= push && word_kind_q[3];
  end

  //------------------------------------------------------------------------------------------------------------------
  // Data: 3 cycles after the request.
  //------------------------------------------------------------------------------------------------------------------
  logic [2:0]  read_q;
  logic [3:0]  kind1_q, kind2_q, kind3_q;
  logic        max_valid;
  logic [63:0] max_data;

  always_ff @(posedge clk_i) begin
    read_q <= rst_ni ? {read_q[1:0], pop} : '0;
  end

  always_ff @(posedge clk_i) begin
    kind1_q <= head_q[3:0];
    kind2_q <= kind1_q;
    kind3_q <= kind2_q;
  end

  msq_vec_max u_max (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .wide_i  (wide),
    .valid_i (read_q[2]),
    .read_i  (kind3_q[3]),
    .high_i  (kind3_q[2]),
    .first_i (kind3_q[1]),
    .last_i  (kind3_q[0]),
    .data_i  (vr_rdata_i),
    .valid_o (max_valid),
    .data_o  (max_data)
  );

  //------------------------------------------------------------------------------------------------------------------
  // Writes: addresses and data wait in queues that hold all output words on their way.
  //------------------------------------------------------------------------------------------------------------------
  logic [23:0]          address_queue [1 << QueueBits];
  logic [63:0]          data_queue    [1 << QueueBits];
  logic [QueueBits-1:0] address_in_q, data_in_q, out_q, after_out_q;  // after_out_q: out_q + 1, as take comes late
  logic [QueueBits:0]   under_way_q;  // from push to grant
  logic                 take, granted;

  assign granted = vw_valid_o && vw_ready_i;
  assign take    = data_in_q != out_q && (!vw_valid_o || vw_ready_i);
  assign go      = !requests_q[1] && !under_way_q[QueueBits];
  assign finish  = !accepted_q && !start_q && !walk_valid && !word_valid_q && requests_q == 2'd0 &&
                   read_q == '0 && under_way_q == '0;

  always_ff @(posedge clk_i) begin
    if (address_valid_q) address_queue[address_in_q] <= address_q;
    if (max_valid) data_queue[data_in_q] <= max_data;
    if (take) begin
      vw_addr_o <= address_queue[out_q];
      vw_data_o <= data_queue[out_q];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      address_in_q <= '0;
      data_in_q    <= '0;
      out_q        <= '0;
      after_out_q  <= QueueBits'(1);
      under_way_q  <= '0;
      vw_valid_o   <= 1'b0;
    end else begin
      address_in_q <= address_in_q + QueueBits'(address_valid_q);
      data_in_q    <= data_in_q + QueueBits'(max_valid);
      if (take) out_q       <= after_out_q;
      if (take) after_out_q <= after_out_q + 1'b1;
      under_way_q  <= under_way_q + (QueueBits + 1)'(push_last) - (QueueBits + 1)'(granted);
      vw_valid_o   <= take || (vw_valid_o && !vw_ready_i);
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) assert (vr_rvalid_i == (read_q[2] && kind3_q[3]));
  end
`endif
endmodule
