// Icarus cross-check of the array and its leaves: four-state simulation shows what Verilator reads as 0. Self-checking:
// prints PASS and what it counted, or ends with a fatal error.
//
// Leaves in both builds: all SP2 products, random ternary sums and accumulations. Then two small arrays, behavioural
// and of primitives, P = 1 and P = 3 (an odd last pixel), with random passes; every sum must be known and right.
`timescale 1ns / 1ps
module msq_gemm_tb;
  int  leaf_checks = 0, array_checks = 0;
  logic clk = 1'b0;

  always #1 clk = ~clk;

  function automatic int magnitude(input logic [3:0] code);
    magnitude = (code[2:1] == 2'd0 ? 0 : 1 << (code[2:1] - 2'd1)) + (code[0] ? 4 : 0);
  endfunction

  // Leaves.
  logic [3:0]  act, code;
  logic [9:0]  x, y, z;
  logic        first, en;
  logic [6:0]  product [2];
  logic [11:0] sum [2];
  logic [23:0] acc [2];
  logic [23:0] acc_expected;

  for (genvar b = 0; b < 2; b++) begin : gen_build
    logic [6:0]  build_product;
    logic [11:0] build_sum;
    logic [23:0] build_acc;
    msq_sp2_mul #(.XC7_PRIMS(b)) u_mul (.act_i(act), .code_i(code), .product_o(build_product));
    msq_tern_add #(.W(10), .XC7_PRIMS(b)) u_add (.x_i(x), .y_i(y), .z_i(z), .sum_o(build_sum));
    msq_tern_acc #(.W(24), .XC7_PRIMS(b)) u_acc (
      .clk_i(clk), .en_i(en), .first_i(first), .x_i({x, y, 4'b0}), .y_i({14'b0, z}), .acc_o(build_acc));
    assign product[b] = build_product;
    assign sum[b] = build_sum;
    assign acc[b] = build_acc;
  end

  task automatic check_products;
    for (int i = 0; i < 256; i++) begin
      {code, act} = 8'(i);
      #1;
      for (int b = 0; b < 2; b++) begin
        if (product[b] !== 7'(code[3] ? 123 - magnitude(code) * act : magnitude(code) * act)) begin
          $fatal(1, "sp2_mul %0d", i);
        end
        leaf_checks++;
      end
    end
  endtask

  task automatic check_sums;
    acc_expected = 24'b0;
    for (int i = 0; i < 1000; i++) begin
      @(negedge clk);
      x = i % 50 == 0 ? 10'h3ff : 10'($random);
      y = i % 50 == 0 ? 10'h3ff : 10'($random);
      z = i % 50 == 0 ? 10'h3ff : 10'($random);
      first = i == 0 || $random % 8 == 0;
      en = i == 0 || $random % 4 != 0;
      if (en) acc_expected = (first ? 24'b0 : acc_expected) + {x, y, 4'b0} + {14'b0, z};
      @(posedge clk);
      #0.5;
      for (int b = 0; b < 2; b++) begin
        if (sum[b] !== 12'(x) + 12'(y) + 12'(z)) $fatal(1, "tern_add");
        if (acc[b] !== acc_expected) $fatal(1, "tern_acc");
        leaf_checks++;
      end
    end
  endtask

  msq_gemm_tb_array #(.P(1), .F(2), .S(2), .Q(2), .XC7_PRIMS(0)) u_one (.clk_i(clk));
  msq_gemm_tb_array #(.P(3), .F(2), .S(2), .Q(2), .XC7_PRIMS(1)) u_three (.clk_i(clk));

  initial begin
    check_products();
    check_sums();
    wait (u_one.finished && u_three.finished);
    array_checks = u_one.checks + u_three.checks;
    if (leaf_checks != 512 + 2000 || array_checks < 400) $fatal(1, "checked too little");
    $display("PASS: %0d results of leaves, %0d sums of arrays", leaf_checks, array_checks);
    $finish;
  end
endmodule

// An array with random passes and its golden sums.
module msq_gemm_tb_array #(
  parameter int P = 1,
  parameter int F = 2,
  parameter int S = 2,
  parameter int Q = 2,
  parameter int XC7_PRIMS = 0
) (
  input logic clk_i
);
  localparam int O = F + S;
  localparam int Passes = 50;

  logic               rst_n = 1'b0, vld = 1'b0, first = 1'b0, last = 1'b0, out_valid;
  logic [3:0]         last_px = 4'd1;
  logic [4:0]         last_grp = 5'd1;
  logic [P*64-1:0]    act;
  logic [F/2*160-1:0] wf;
  logic [S*64-1:0]    ws_now, ws_1, ws_2, ws_3;
  logic [Q*24-1:0]    out_data;

  msq_gemm #(.P(P), .F(F), .S(S), .Q(Q), .XC7_PRIMS(XC7_PRIMS)) u_gemm (
    .clk_i(clk_i), .rst_ni(rst_n), .vld_i(vld), .first_i(first), .last_i(last), .last_px_i(last_px),
    .last_grp_i(last_grp), .act_i(act), .wf_i(wf), .ws_i(ws_3), .out_valid_o(out_valid), .out_data_o(out_data));

  // The sums of each lane of each item to come, in order.
  logic [23:0] expected [65536];
  logic [23:0] sums [P*O];
  int          head = 0, tail = 0, checks = 0, cycle = 0, earliest = 0;
  logic        finished = 1'b0;

  always @(posedge clk_i) begin
    ws_1 <= ws_now;
    ws_2 <= ws_1;
    ws_3 <= ws_2;
    cycle <= cycle + 1;
    if (rst_n && out_valid === 1'bx) $fatal(1, "out_valid unknown");
    if (rst_n && out_valid === 1'b1) begin
      for (int q = 0; q < Q; q++) begin
        if (head >= tail || out_data[24*q+:24] !== expected[head]) $fatal(1, "sum %0d of P = %0d", head, P);
        head = head + 1;
        checks = checks + 1;
      end
    end
  end

  task automatic add_step;
    for (int p = 0; p < P; p++) begin
      for (int l = 0; l < O; l++) begin
        int total;
        total = l < F ? 2048 : 0;
        for (int n = 0; n < 16; n++) begin
          int a, w;
          a = 32'(act[4*(16*p+n)+:4]);
          if (l < F) begin
            w = 32'($signed(wf[10*(16*(l/2)+n)+:5]));
            if (l % 2 == 1) w = 32'($signed(wf[10*(16*(l/2)+n)+5+:5])) + (w < 0 ? 1 : 0);
            total = total + w * a;
          end else begin
            w = msq_gemm_tb.magnitude(ws_now[4*(16*(l-F)+n)+:4]);
            total = total + (ws_now[4*(16*(l-F)+n)+3] ? 123 - w * a : w * a);
          end
        end
        sums[p*O+l] = (first ? 24'b0 : sums[p*O+l]) + 24'(total);
      end
    end
  endtask

  // All operands random, weights of DSP lanes within -8..8; not valid, whatever the control says.
  task automatic randomize_operands;
    for (int i = 0; i < P * 16; i++) act[4*i+:4] = 4'($random);
    for (int i = 0; i < S * 16; i++) ws_now[4*i+:4] = 4'($random);
    for (int i = 0; i < F / 2 * 16; i++) begin
      int low, high;
      low = 32'($unsigned($random) % 17) - 8;
      high = 32'($unsigned($random) % 17) - 8 - (low < 0 ? 1 : 0);
      wf[10*i+:10] = {5'(high), 5'(low)};
    end
    vld = 1'b0;
    first = 1'($random);
    last = 1'($random);
  endtask

  task automatic run_pass(input int steps, input int px, input int grp);
    for (int k = 0; k < steps; k++) begin
      @(negedge clk_i);
      randomize_operands();
      while ($random % 4 == 0 || (k == steps - 1 && cycle < earliest)) begin
        @(negedge clk_i);
        randomize_operands();
      end
      vld = 1'b1;
      first = k == 0;
      last = k == steps - 1;
      last_px = 4'(px);
      last_grp = 5'(grp);
      add_step();
    end
    earliest = cycle + px * grp;
    for (int j = 0; j < grp; j++) begin
      for (int p = 0; p < px; p++) begin
        for (int q = 0; q < Q; q++) begin
          expected[tail] = sums[p*O+j*Q+q];
          tail = tail + 1;
        end
      end
    end
  endtask

  initial begin
    repeat (12) @(negedge clk_i);
    rst_n = 1'b1;
    for (int i = 0; i < Passes; i++) begin
      run_pass(1 + 32'($unsigned($random) % 5), 1 + 32'($unsigned($random) % P), 1 + 32'($unsigned($random) % (O / Q)));
    end
    @(negedge clk_i);
    vld = 1'b0;
    repeat (16 + P * O / Q) @(negedge clk_i);
    if (head != tail) $fatal(1, "sums missing: %0d of %0d", head, tail);
    finished = 1'b1;
  end
endmodule
