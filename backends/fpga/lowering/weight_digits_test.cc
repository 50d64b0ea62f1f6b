// Digits add up to the weight, passes to the product.
#include "backends/fpga/lowering/weight_digits.h"

#include <gtest/gtest.h>

#include "backends/fpga/lowering/weight_packing.h"
#include "model/numerics/scheme.h"

namespace msq::fpga {
namespace {

constexpr WeightCode kCodes[] = {WeightCode::kSp2, WeightCode::kTwosComplement};

int8_t Decode(WeightCode code, uint64_t bits) {
  if (code == WeightCode::kTwosComplement) return static_cast<int8_t>(bits >= 8 ? static_cast<int>(bits) - 16 : bits);
  return *numerics::DecodeWeight(numerics::Scheme::kSp2, static_cast<uint8_t>(bits));
}

TEST(WeightDigitsTest, AddUp) {
  int checked = 0;
  for (WeightCode code : kCodes) {
    for (DigitShape shape : kDigitShapes) {
      for (int value = -128; value < 128; ++value) {
        const auto digits = FindDigits(code, shape, static_cast<int8_t>(value));
        if (!digits) continue;
        int sum = 0;
        for (int d = 0; d < shape.count(); ++d) {
          const int8_t digit = (*digits)[static_cast<size_t>(d)];
          EXPECT_EQ(Decode(code, EncodeDigit(code, digit)), digit);
          sum += digit * (d < shape.high ? 16 : 1);
        }
        EXPECT_EQ(sum, value);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

TEST(WeightDigitsTest, HoldWhatTheyShould) {
  const auto holds = [](WeightCode code, DigitShape shape, int low, int high) {
    for (int value = low; value <= high; ++value) {
      if (!FindDigits(code, shape, static_cast<int8_t>(value))) return false;
    }
    return true;
  };
  EXPECT_TRUE(holds(WeightCode::kTwosComplement, {0, 1}, -8, 7));
  EXPECT_FALSE(FindDigits(WeightCode::kSp2, {0, 1}, 3));
  EXPECT_TRUE(FindDigits(WeightCode::kSp2, {0, 1}, 8));
  EXPECT_TRUE(holds(WeightCode::kSp2, {0, 2}, -14, 14));
  EXPECT_TRUE(holds(WeightCode::kTwosComplement, {1, 1}, -128, 119));
  for (WeightCode code : kCodes) EXPECT_TRUE(holds(code, kDigitShapes.back(), -128, 127));
}

// What the array computes with these passes is weight times activation.
TEST(WeightDigitsTest, PassesGiveTheProduct) {
  int checked = 0;
  for (DigitShape shape : kDigitShapes) {
    for (int bits : {4, 8}) {
      const std::vector<Pass> passes = PassesOf(shape, bits);
      EXPECT_LE(passes.size(), 8u);
      EXPECT_FALSE(passes[0].shift);
      for (int value = -128; value < 128; ++value) {
        const auto digits = FindDigits(WeightCode::kSp2, shape, static_cast<int8_t>(value));
        if (!digits) continue;
        for (int code : {1, 15, bits == 8 ? 0x97 : 9}) {
          int sum = 0;
          for (const Pass& pass : passes) {
            sum = sum * (pass.shift ? 16 : 1) + (*digits)[pass.digit] * (pass.high_plane ? code >> 4 : code & 15);
          }
          EXPECT_EQ(sum, value * code);
          ++checked;
        }
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

}  // namespace
}  // namespace msq::fpga
