// Requantizer constants against real arithmetic: the code is within one of the rounded real value, everywhere.
#include "quantizer/lower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "model/numerics/requantize.h"

namespace msq::quantizer {
namespace {

double RealCode(const RequantizeGains& g, int32_t acc, int skip) {
  const double v = acc - static_cast<double>(g.offset) + g.bias;
  const double gain = g.leaky && v < 0 ? g.low_gain : g.gain;
  return gain * v + g.skip_gain * (skip - g.skip_zero_point) + g.shift;
}

int Code(const RequantizeGains& g, const RequantizeEntry& e, int32_t acc, int skip, int bits) {
  if (g.leaky) {
    return numerics::RequantizeLeaky(acc, e.threshold, e.multiplier, e.addend, e.low_multiplier, e.low_addend, e.shift,
                                     bits);
  }
  return numerics::RequantizeWithSkip(acc, e.multiplier, static_cast<uint8_t>(skip), e.skip_multiplier, e.addend,
                                      e.shift, bits);
}

TEST(MakeEntry, MatchesRealArithmeticWithinOneCode) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  int differ = 0, compared = 0;
  for (int round = 0; round < 3000; ++round) {
    RequantizeGains g;
    g.gain = std::exp(uniform(random) * 12 - 11);
    g.offset = static_cast<int64_t>(uniform(random) * 20000) - 10000;
    g.bias = uniform(random) * 2000 - 1000;
    const int bits = round % 2 == 0 ? 4 : 8;
    g.shift = round % 3 == 0 ? 5 : 0;
    if (round % 3 == 1) {  // both share a shift: a gain far below the skip's would lose bits
      g.skip_gain = g.gain * std::exp(uniform(random) * 4);
      g.skip_zero_point = 7;
    }
    if (round % 3 == 2) g.leaky = true, g.low_gain = g.gain * (round % 4 == 0 ? 0.0 : 0.1);
    const auto entry = MakeEntry(g);
    ASSERT_TRUE(entry.ok()) << entry.status();
    ASSERT_LT(entry->multiplier, numerics::kMultiplierLimit);
    ASSERT_GE(entry->multiplier, 1u);
    ASSERT_LT(std::llabs(entry->addend), numerics::kAddendLimit);
    for (int i = 0; i < 50; ++i) {
      // Sums around the interval that maps to codes.
      const double top = numerics::MaxCode(bits) / g.gain;
      const double at = static_cast<double>(g.offset) - g.bias + (uniform(random) * 1.6 - 0.3) * top;
      if (std::fabs(at) >= numerics::kAccumulatorLimit) continue;
      const auto acc = static_cast<int32_t>(at);
      const int skip = static_cast<int>(uniform(random) * 15);
      const double real =
          std::clamp(std::floor(RealCode(g, acc, skip) + 0.5), 0.0, static_cast<double>(numerics::MaxCode(bits)));
      const int code = Code(g, *entry, acc, skip, bits);
      EXPECT_LE(std::fabs(code - real), 1.0);
      differ += code != static_cast<int>(real) ? 1 : 0;
      ++compared;
    }
  }
  EXPECT_GT(compared, 50000);
  EXPECT_LT(differ, compared / 100);  // only next to a rounding boundary
}

TEST(MakeEntry, ReluBehindWhichABatchNormHasNegativeGain) {
  RequantizeGains g;  // y = 10 - 0.5 * relu(-v): flat above zero, rising below
  g.gain = 0;
  g.low_gain = 0.5;
  g.leaky = true;
  g.shift = 10;
  const auto entry = MakeEntry(g);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(Code(g, *entry, 1000, 0, 4), 10);
  EXPECT_EQ(Code(g, *entry, 0, 0, 4), 10);
  EXPECT_EQ(Code(g, *entry, -10, 0, 4), 5);
  EXPECT_EQ(Code(g, *entry, -100, 0, 4), 0);
}

TEST(MakeEntry, RefusesGainsBeyondTheField) {
  RequantizeGains g;
  g.gain = 1e6;
  EXPECT_EQ(MakeEntry(g).status().code(), absl::StatusCode::kFailedPrecondition);
  g.gain = std::nan("");
  EXPECT_FALSE(MakeEntry(g).ok());
  g.gain = 1.0;
  g.bias = 1e300;
  EXPECT_FALSE(MakeEntry(g).ok());
}

TEST(MakeEntry, TinyGainsAndHugeBiasesGiveUpPrecisionNotRange) {
  RequantizeGains g;
  g.gain = 1e-9;
  g.bias = 5e9;  // 5 output codes
  const auto entry = MakeEntry(g);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(Code(g, *entry, 0, 0, 4), 5);
}

}  // namespace
}  // namespace msq::quantizer
