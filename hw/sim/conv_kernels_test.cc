// Every kernel that this machine has gives the plain one's results.
#include "hw/sim/conv_kernels.h"

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace msq::hw {
namespace {

std::vector<const ConvKernels*> Supported() {
  std::vector<const ConvKernels*> kernels;
  for (const ConvKernels* each : AllConvKernels()) {
    if (each->supported()) kernels.push_back(each);
  }
  return kernels;
}

class ConvKernelsTest : public ::testing::TestWithParam<const ConvKernels*> {
 protected:
  template <typename Number>
  std::vector<Number> Draw(size_t count, int64_t low, int64_t high) {
    std::uniform_int_distribution<int64_t> draw(low, high);
    std::vector<Number> numbers(count);
    for (Number& number : numbers) number = static_cast<Number>(draw(random_));
    return numbers;
  }

  std::mt19937_64 random_{11};
};

TEST_P(ConvKernelsTest, AccumulateAsThePlainOne) {
  for (size_t lanes = kLaneBlock; lanes <= 4 * kLaneBlock; lanes += kLaneBlock) {
    for (size_t pixels = 1; pixels <= kKernelPixels; ++pixels) {
      for (const size_t steps : {1u, 2u, 9u, 40u}) {
        const auto codes = Draw<uint8_t>(16 * pixels * steps, 0, 15);
        const auto weights = Draw<int8_t>(16 * steps * lanes, -8, 8);
        std::vector<const uint8_t*> words(pixels * steps);
        for (size_t i = 0; i < words.size(); ++i) words[i] = codes.data() + 16 * ((i * 7) % words.size());
        std::vector<int32_t> sums(pixels * lanes, -1), expected(pixels * lanes, -1);
        GetParam()->accumulate({words.data(), pixels, steps, weights.data(), lanes, sums.data()});
        kGenericConvKernels.accumulate({words.data(), pixels, steps, weights.data(), lanes, expected.data()});
        ASSERT_EQ(sums, expected) << lanes << " lanes, " << pixels << " pixels, " << steps << " steps";
      }
    }
  }
}

// Over all that the instruction's fields can hold, so that sums are far outside of what a network has.
TEST_P(ConvKernelsTest, RequantizeAsThePlainOne) {
  constexpr int64_t kWide = int64_t{1} << 46;
  size_t inside = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t lanes = kLaneBlock * (1 + static_cast<size_t>(round) % 4);
    const int64_t b_limit = kWide >> (round % 40), acc_limit = (1 << 23) >> (round % 20);
    const auto acc = Draw<int32_t>(lanes, -acc_limit, acc_limit - 1);
    const auto skip = Draw<uint8_t>(lanes, 0, 255);
    const auto m = Draw<int32_t>(lanes, 0, (1 << 17) - 1), m_below = Draw<int32_t>(lanes, 0, (1 << 17) - 1);
    const auto n = Draw<int32_t>(lanes, 0, (1 << 17) - 1), s = Draw<int32_t>(lanes, 0, round % 64);
    const auto t = Draw<int32_t>(lanes, -acc_limit, acc_limit - 1);
    const auto b = Draw<int64_t>(lanes, -b_limit, b_limit - 1), b_below = Draw<int64_t>(lanes, -b_limit, b_limit - 1);
    for (const bool has_skip : {false, true}) {
      for (const bool leaky : {false, true}) {
        for (const int max : {15, 255}) {
          std::vector<uint8_t> codes(lanes, 99), expected(lanes, 98);
          RequantizeArgs args{acc.data(),
                              has_skip ? skip.data() : nullptr,
                              {m.data(), n.data(), s.data(), t.data(), m_below.data(), b.data(), b_below.data()},
                              leaky,
                              max,
                              lanes,
                              codes.data()};
          GetParam()->requantize(args);
          args.codes = expected.data();
          kGenericConvKernels.requantize(args);
          ASSERT_EQ(codes, expected) << "round " << round;
          inside += static_cast<size_t>(
              std::count_if(expected.begin(), expected.end(), [max](int code) { return code > 0 && code < max; }));
        }
      }
    }
  }
  EXPECT_GT(inside, 1000u);
}

INSTANTIATE_TEST_SUITE_P(All, ConvKernelsTest, ::testing::ValuesIn(Supported()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace msq::hw
