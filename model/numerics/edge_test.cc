#include "model/numerics/edge.h"

#include <gtest/gtest.h>

#include <limits>

namespace msq::numerics {
namespace {

TEST(Edge, QuantizesHalfUpAndClamps) {  // N13
  EXPECT_EQ(QuantizeReal(0.0f, 0.5f, 3, 4), 3);
  EXPECT_EQ(QuantizeReal(0.25f, 0.5f, 3, 4), 4);
  EXPECT_EQ(QuantizeReal(-0.25f, 0.5f, 3, 4), 3);
  EXPECT_EQ(QuantizeReal(-0.26f, 0.5f, 3, 4), 2);
  EXPECT_EQ(QuantizeReal(100.0f, 0.5f, 3, 4), 15);
  EXPECT_EQ(QuantizeReal(-100.0f, 0.5f, 3, 4), 0);
}

TEST(Edge, TakesEveryFloat) {  // N13
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(QuantizeReal(infinity, 0.1f, 7, 8), 255);
  EXPECT_EQ(QuantizeReal(-infinity, 0.1f, 7, 8), 0);
  EXPECT_EQ(QuantizeReal(std::numeric_limits<float>::quiet_NaN(), 0.1f, 7, 8), 7);
  EXPECT_EQ(QuantizeReal(std::numeric_limits<float>::max(), 1e-30f, 7, 8), 255);
}

TEST(Edge, CodesSurviveTheRoundTrip) {  // N1, N13
  for (int bits : {4, 8}) {
    for (int zero_point = 0; zero_point <= MaxCode(bits); ++zero_point) {
      for (int code = 0; code <= MaxCode(bits); ++code) {
        const float real = DequantizeCode(static_cast<uint8_t>(code), 0.0371f, zero_point);
        EXPECT_EQ(QuantizeReal(real, 0.0371f, zero_point, bits), code);
      }
    }
  }
}

TEST(Edge, AccumulatorsConvertExactly) {  // N14: |acc| < 2^24
  EXPECT_EQ(DequantizeAccumulator((1 << 24) - 1, 1.0f), 16777215.0f);
  EXPECT_EQ(DequantizeAccumulator(-3, 0.5f), -1.5f);
}

}  // namespace
}  // namespace msq::numerics
