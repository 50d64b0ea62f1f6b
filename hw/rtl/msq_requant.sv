// One lane of the requantizer: from a sum of the array to a code, or to a raw 32-bit value (N10, N11, N12).
//
// acc = sum + C modulo 2^24;  y = clamp((acc*M + skip*N + B) >>> S, 0, 15 or 255);  raw = low 32 bits of acc*M + B.
// One step a cycle, no stalls but sum_en_i. In cycle t:
//   t-1  skip_i.
//   t    load_i: sum_i and rows 0 and 1 of the parameters, {row 1, row 0}, are taken.
//        below_i instead: the parameters are rows 3 and 2; (M', B') are taken if the accumulator loaded in t-1 is
//        below T. What a step computes is then what was loaded by the step before.
//   t+2  add_sel_i: what skip*N is added to in t+3. 0: B. An 8-bit residual takes two steps, high nibble first:
//        1: B >>> 4, then 2 in the next cycle: 16 times the last sum, with B's low bits.
//   t+4  sum_en_i: acc*M + c goes to the sum register; the register and raw_o hold while it is 0.
//   t+5  raw_o;  t+7  y_o (high nibble without meaning unless wide_i).
// Without a residual skip_i must be 0. While nothing is loaded all stages keep what the last step left in them.
//
// acc*M + c is one DSP48E1 with all its registers; skip*N is shifts and adds, so that it takes no second one.
module msq_requant (
  input  logic         clk_i,
  input  logic         wide_i,     // codes of 8 bits; constant while steps are under way
  input  logic         load_i,
  input  logic         below_i,
  input  logic [23:0]  sum_i,
  input  logic [3:0]   skip_i,
  /* verilator lint_off UNUSEDSIGNAL */  // rows of parameters have spare bits
  input  logic [127:0] param_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic [1:0]   add_sel_i,
  input  logic         sum_en_i,
  output logic [31:0]  raw_o,
  output logic [7:0]   y_o
);
  // t: the accumulator and the choice of constants.
  logic signed [23:0] acc1_q, acc2_q, acc3_q;
  logic        [16:0] m1_q;
  logic signed [17:0] m2_q, m3_q;
  logic        [46:0] b1_q, b2_q, b3_q;
  logic        [5:0]  shift1_q, shift2_q, shift3_q, shift4_q, shift5_q;
  logic               is_below;

  assign is_below = acc1_q < $signed(param_i[23:0]);

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      acc1_q   <= sum_i + param_i[46:23];
      shift1_q <= param_i[22:17];
    end
    if (load_i || (below_i && is_below)) begin
      m1_q <= load_i ? param_i[16:0] : param_i[40:24];
      b1_q <= param_i[110:64];
    end
  end

  // t .. t+2: skip * N. The bits of the residual are resets of registers, so that their products cost no LUT.
  logic [3:0]  skip_clear_q;
  logic [16:0] n0_q, n1_q, n2_q, n3_q;
  logic [18:0] skip_n01_q, skip_n23_q;
  logic [20:0] skip_n_q;

  always_ff @(posedge clk_i) begin
    skip_clear_q <= ~skip_i;
    if (skip_clear_q[0]) n0_q <= '0;
    else n0_q <= param_i[63:47];
    if (skip_clear_q[1]) n1_q <= '0;
    else n1_q <= param_i[63:47];
    if (skip_clear_q[2]) n2_q <= '0;
    else n2_q <= param_i[63:47];
    if (skip_clear_q[3]) n3_q <= '0;
    else n3_q <= param_i[63:47];
    skip_n01_q <= {2'b0, n0_q} + {1'b0, n1_q, 1'b0};
    skip_n23_q <= {2'b0, n2_q} + {1'b0, n3_q, 1'b0};
    skip_n_q   <= {2'b0, skip_n01_q} + {skip_n23_q, 2'b0};
  end

  // t+3: c = B + skip * N. All that the last bits of B wait for is the low nibble's product.
  logic [47:0] base, c_q;
  logic [1:0]  add_sel_q;

  always_comb begin
    if (add_sel_q[1]) base = {c_q[43:0], b3_q[3:0]};
    else if (add_sel_q[0]) base = {{5{b3_q[46]}}, b3_q[46:4]};
    else base = {b3_q[46], b3_q};
  end

  always_ff @(posedge clk_i) begin
    add_sel_q <= add_sel_i;
    b2_q      <= b1_q;
    b3_q      <= b2_q;
    c_q       <= 48'(skip_n_q) + base;
  end

  // t+1 .. t+4: acc * M + c.
  logic signed [41:0] product_q;
  logic signed [47:0] sum_q;

  always_ff @(posedge clk_i) begin
    acc2_q    <= acc1_q;
    acc3_q    <= acc2_q;
    m2_q      <= $signed({1'b0, m1_q});
    m3_q      <= m2_q;
    product_q <= acc3_q * m3_q;
    if (sum_en_i) sum_q <= 48'(product_q) + $signed(c_q);
  end

  assign raw_o = sum_q[31:0];

  // t+5: shift by 0, 16, 32, then by 0, 4, 8, 12; only the bits that can still become the code are kept, the others
  // tell whether it is too large. A negative sum is 0 from here on.
  logic [22:0] coarse;
  logic [10:0] middle, middle_q;
  logic        coarse_over, middle_over, over_q;
  logic [1:0]  fine_q;

  always_comb begin
    case (shift5_q[5:4])
      2'd0:    coarse = sum_q[22:0];
      2'd1:    coarse = sum_q[38:16];
      default: coarse = {8'd0, sum_q[46:32]};
    endcase
    coarse_over = (shift5_q[5:4] == 2'd0 && sum_q[38:23] != '0) || (!shift5_q[5] && sum_q[46:39] != '0);
    case (shift5_q[3:2])
      2'd0:    middle = coarse[10:0];
      2'd1:    middle = coarse[14:4];
      2'd2:    middle = coarse[18:8];
      default: middle = coarse[22:12];
    endcase
    middle_over = (shift5_q[3:2] == 2'd0 && coarse[14:11] != '0) || (!shift5_q[3] && coarse[18:15] != '0) ||
                  (shift5_q[3:2] != 2'd3 && coarse[22:19] != '0);
  end

  always_ff @(posedge clk_i) begin
    shift2_q <= shift1_q;
    shift3_q <= shift2_q;
    shift4_q <= shift3_q;
    if (sum_en_i) shift5_q <= shift4_q;
    fine_q <= shift5_q[1:0];
    if (sum_q[47]) begin
      middle_q <= '0;
      over_q   <= 1'b0;
    end else begin
      middle_q <= middle;
      over_q   <= coarse_over || middle_over;
    end
  end

  // t+6: shift by 0 to 3, clamp.
  logic [7:0] fine;
  logic       fine_over, nibble_over;

  always_comb begin
    case (fine_q)
      2'd0:    fine = middle_q[7:0];
      2'd1:    fine = middle_q[8:1];
      2'd2:    fine = middle_q[9:2];
      default: fine = middle_q[10:3];
    endcase
    fine_over   = (fine_q == 2'd0 && middle_q[8]) || (!fine_q[1] && middle_q[9]) || (fine_q != 2'd3 && middle_q[10]);
    nibble_over = !wide_i && fine[7:4] != '0;
  end

  always_ff @(posedge clk_i) begin
    if (over_q || fine_over || nibble_over) y_o <= '1;
    else y_o <= fine;
  end
endmodule
