// Sums of addresses against linear word numbers, all banks, for three memories at once.
#include <gtest/gtest.h>

#include "Vmsq_addr_add_test_dut.h"

namespace {

constexpr int kBanks = 5;

uint32_t Split(int word) {
  const int bank = ((word % kBanks) + kBanks) % kBanks;
  const int row = (word - bank) / kBanks;
  return (static_cast<uint32_t>(row) << 4 & 0xfffff0u) | static_cast<uint32_t>(bank);
}

TEST(AddrAddTest, IsTheSumOfWordNumbers) {
  Vmsq_addr_add_test_dut dut;
  int checked = 0;
  for (int a = -23; a < 40; ++a) {
    for (int b = -31; b < 57; ++b) {
      dut.a_i = Split(a);
      dut.b_i = Split(b);
      dut.eval();
      ASSERT_EQ(dut.sum_o, Split(a + b)) << a << " + " << b;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 63 * 88);
}

}  // namespace
