#include "model/numerics/requantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace msq::numerics {
namespace {

// a * b + c, where the test fails if 64 bits do not hold it.
int64_t ExactSum(int64_t a, int64_t b, int64_t c) {
  int64_t product = 0, sum = 0;
  EXPECT_FALSE(__builtin_mul_overflow(a, b, &product)) << a << " * " << b;
  EXPECT_FALSE(__builtin_add_overflow(product, c, &sum)) << product << " + " << c;
  return sum;
}

// The rule with floor division instead of a shift.
int Oracle(int64_t sum, int shift, int bits) {
  const int64_t divisor = int64_t{1} << shift;
  int64_t quotient = sum / divisor;
  if (sum % divisor < 0) --quotient;
  const int64_t high = (1 << bits) - 1;
  return static_cast<int>(std::clamp<int64_t>(quotient, 0, high));
}

const std::vector<int32_t> kAccumulators = {-(1 << 23) + 1, -12345, -2, -1, 0, 1, 2, 12345, (1 << 23) - 1};
const std::vector<uint32_t> kMultipliers = {1, 2, 3, 65535, 65536, 131071};

std::vector<int64_t> Addends() {
  std::vector<int64_t> addends = {0, 1, -1, kAddendLimit - 1, -kAddendLimit + 1};
  for (int shift = 1; shift <= kMaxShift; ++shift) {
    for (int64_t delta : {-1, 0, 1}) {
      addends.push_back((int64_t{1} << (shift - 1)) + delta);
      addends.push_back(-(int64_t{1} << (shift - 1)) + delta);
    }
  }
  std::erase_if(addends, [](int64_t addend) { return addend <= -kAddendLimit || addend >= kAddendLimit; });
  return addends;
}

TEST(Requantize, AgreesWithFloorDivisionOnBoundaries) {  // N10
  for (int bits : {4, 8}) {
    for (int32_t acc : kAccumulators) {
      for (uint32_t multiplier : kMultipliers) {
        for (int64_t addend : Addends()) {
          for (int shift = 0; shift <= kMaxShift; ++shift) {
            const int64_t sum = ExactSum(acc, multiplier, addend);
            ASSERT_EQ(Requantize(acc, multiplier, addend, shift, bits), Oracle(sum, shift, bits))
                << acc << " * " << multiplier << " + " << addend << " >> " << shift;
          }
        }
      }
    }
  }
}

TEST(Requantize, AgreesWithFloorDivisionOnRandomOperands) {  // N10 to N12
  std::mt19937_64 random(20260101);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 500000; ++i) {
    const auto acc = static_cast<int32_t>(pick(-kAccumulatorLimit + 1, kAccumulatorLimit - 1));
    const auto m = static_cast<uint32_t>(pick(1, kMultiplierLimit - 1)),
               n = static_cast<uint32_t>(pick(1, kMultiplierLimit - 1));
    const auto skip = static_cast<uint8_t>(pick(0, 255));
    const int shift = static_cast<int>(pick(0, kMaxShift)), bits = pick(0, 1) != 0 ? 4 : 8;
    const int64_t limit = std::min(kAddendLimit - 1, int64_t{1} << pick(1, 45));
    const int64_t addend = pick(-limit, limit), other_addend = pick(-limit, limit);
    const auto threshold = static_cast<int32_t>(pick(-kAccumulatorLimit, kAccumulatorLimit));
    const int64_t sum = ExactSum(acc, m, addend);
    ASSERT_EQ(Requantize(acc, m, addend, shift, bits), Oracle(sum, shift, bits));
    ASSERT_EQ(RequantizeWithSkip(acc, m, skip, n, addend, shift, bits), Oracle(ExactSum(skip, n, sum), shift, bits));
    const int64_t leaky = acc >= threshold ? sum : ExactSum(acc, n, other_addend);
    ASSERT_EQ(RequantizeLeaky(acc, threshold, m, addend, n, other_addend, shift, bits), Oracle(leaky, shift, bits));
  }
}

TEST(Requantize, RoundsHalfUpOnTheNegativeSideToo) {  // N10: with the half folded in, -2.5 -> -2, -3.5 -> -3
  // A zero point of 8 makes negative results visible: y = 8 + round_half_up(acc / 2).
  const auto y = [](int32_t acc) { return Requantize(acc, 1, (8 << 1) + 1, 1, 4); };
  EXPECT_EQ(y(-5), 8 - 2);
  EXPECT_EQ(y(-7), 8 - 3);
  EXPECT_EQ(y(-1), 8 + 0);
  EXPECT_EQ(y(-2), 8 - 1);
  EXPECT_EQ(y(-3), 8 - 1);
  EXPECT_EQ(y(5), 8 + 3);
  EXPECT_EQ(y(1), 8 + 1);
}

TEST(Requantize, NegativeHalfExhaustively) {  // every acc of 10 bits against round half up by exact integer arithmetic
  for (int shift = 1; shift <= 8; ++shift) {
    for (int32_t acc = -1023; acc <= 1023; ++acc) {
      const int64_t addend = (int64_t{128} << shift) + (int64_t{1} << (shift - 1));
      const int doubled = 2 * acc + (1 << shift), step = 2 << shift;  // floor((2 acc + 2^S) / 2^(S+1))
      const int rounded = doubled >= 0 ? doubled / step : -((-doubled + step - 1) / step);
      ASSERT_EQ(Requantize(acc, 1, addend, shift, 8), std::clamp(128 + rounded, 0, 255)) << acc << " >> " << shift;
    }
  }
}

TEST(Requantize, IsMonotonicInTheAccumulator) {  // so that max pooling may follow (N10)
  for (int32_t acc = -3000; acc < 3000; ++acc) {
    EXPECT_LE(Requantize(acc, 70001, 1 << 20, 24, 4), Requantize(acc + 1, 70001, 1 << 20, 24, 4));
  }
}

}  // namespace
}  // namespace msq::numerics
