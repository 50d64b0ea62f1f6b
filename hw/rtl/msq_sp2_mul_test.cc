// All 16 x 16 products of an SP2 code and an activation, behavioural and of primitives.
#include <gtest/gtest.h>

#include "Vmsq_sp2_mul_dut.h"
#include "Vmsq_sp2_mul_prims_dut.h"
#include "model/numerics/scheme.h"

namespace msq::hw {
namespace {

template <class Dut>
void CheckAllProducts() {
  Dut dut;
  int canonical = 0;
  for (int code = 0; code < 16; ++code) {
    const bool negative = (code & 8) != 0;
    const int magnitude =
        numerics::kSp2First[static_cast<size_t>(code >> 1 & 3)] + numerics::kSp2Second[static_cast<size_t>(code & 1)];
    const auto value = numerics::DecodeWeight(numerics::Scheme::kSp2, static_cast<uint8_t>(code));
    if (value.has_value()) ++canonical;
    for (int act = 0; act < 16; ++act) {
      dut.code_i = static_cast<uint8_t>(code);
      dut.act_i = static_cast<uint8_t>(act);
      dut.eval();
      ASSERT_EQ(dut.product_o, negative ? 123 - magnitude * act : magnitude * act) << code << " * " << act;
      if (value.has_value()) {
        ASSERT_EQ(dut.product_o - (negative ? 123 : 0), *value * act) << code << " * " << act;
      }
    }
  }
  EXPECT_EQ(canonical, 13);  // 0 and six magnitudes of either sign
}

TEST(Sp2MulTest, MultipliesEveryCode) {
  CheckAllProducts<Vmsq_sp2_mul_dut>();
}
TEST(Sp2MulTest, MultipliesEveryCodeWithPrimitives) {
  CheckAllProducts<Vmsq_sp2_mul_prims_dut>();
}

}  // namespace
}  // namespace msq::hw
