// Sums of addresses against linear word numbers, all banks, for three memories at once.
#include <gtest/gtest.h>

#include "Vmsq_addr_add_b11.h"
#include "Vmsq_addr_add_b2.h"
#include "Vmsq_addr_add_b3.h"
#include "Vmsq_addr_add_b5.h"
#include "hw/rtl/testing/every_configuration.h"

namespace msq::hw {
namespace {

template <typename DutT, int kBanksT>
struct Build {
  using Dut = DutT;
  static constexpr int kBanks = kBanksT;
};

template <typename B>
class AddrAddTest : public ::testing::Test {
 protected:
  static uint32_t Split(int word) {
    const int bank = ((word % B::kBanks) + B::kBanks) % B::kBanks;
    const int row = (word - bank) / B::kBanks;
    return (static_cast<uint32_t>(row) << 4 & 0xfffff0u) | static_cast<uint32_t>(bank);
  }
};

using Builds = ::testing::Types<Build<Vmsq_addr_add_b2, 2>, Build<Vmsq_addr_add_b3, 3>, Build<Vmsq_addr_add_b5, 5>,
                                Build<Vmsq_addr_add_b11, 11>>;
TYPED_TEST_SUITE(AddrAddTest, Builds);
static_assert(CoverEveryConfiguration(Builds(), [](auto build, const Configuration& configuration) {
  return build.kBanks == configuration.banks;
}));

TYPED_TEST(AddrAddTest, IsTheSumOfWordNumbers) {
  typename TypeParam::Dut dut;
  int checked = 0;
  for (int a = -23; a < 40; ++a) {
    for (int b = -31; b < 57; ++b) {
      dut.a_i = this->Split(a);
      dut.b_i = this->Split(b);
      dut.eval();
      ASSERT_EQ(dut.sum_o, this->Split(a + b)) << a << " + " << b;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 63 * 88);
}

}  // namespace
}  // namespace msq::hw
