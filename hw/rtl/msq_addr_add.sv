// The sum of two addresses (or an address and a distance) of the prime-banked activation memory.
//
// An address is {row[19:0], bank[3:0]}, bank < BANKS; rows are signed and wrap. Combinational.
module msq_addr_add #(
  parameter int BANKS = 5
) (
  input  logic [23:0] a_i,
  input  logic [23:0] b_i,
  output logic [23:0] sum_o
);
  logic [4:0]   banks;
  logic [255:0] carries;
  logic         carry;

  // A table and no sum, for the rows' sum waits for it.
  for (genvar i = 0; i < 256; i++) begin : gen_carry
    assign carries[i] = i / 16 + i % 16 >= BANKS;
  end

  assign banks = {1'b0, a_i[3:0]} + {1'b0, b_i[3:0]};
  assign carry = carries[{a_i[3:0], b_i[3:0]}];
  assign sum_o[3:0]  = 4'(carry ? banks - 5'(BANKS) : banks);
  assign sum_o[23:4] = a_i[23:4] + b_i[23:4] + {19'b0, carry};
endmodule
