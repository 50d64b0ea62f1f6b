// The sum of two addresses (or an address and a distance) of the prime-banked activation memory.
//
// An address is {row[19:0], bank[3:0]}, bank < BANKS; rows are signed and wrap. Combinational: the banks' sum and its
// carry are tables, two LUTs deep, where sums and comparisons would be carry chains in front of the rows'.
module msq_addr_add #(
  parameter int BANKS = 5
) (
  input  logic [23:0] a_i,
  input  logic [23:0] b_i,
  output logic [23:0] sum_o
);
  logic [255:0] carries;
  logic [255:0] banks [4];  // bit by bit
  logic [7:0]   pair;

  for (genvar i = 0; i < 256; i++) begin : gen_pair
    localparam int SUM  = i / 16 + i % 16;
    localparam int BANK = SUM >= BANKS ? SUM - BANKS : SUM;
    assign carries[i] = SUM >= BANKS;
    for (genvar k = 0; k < 4; k++) begin : gen_bit
      assign banks[k][i] = BANK[k];
    end
  end

  assign pair = {a_i[3:0], b_i[3:0]};
  for (genvar k = 0; k < 4; k++) begin : gen_bank
    assign sum_o[k] = banks[k][pair];
  end
  assign sum_o[23:4] = a_i[23:4] + b_i[23:4] + {19'b0, carries[pair]};
endmodule
