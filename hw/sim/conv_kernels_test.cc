// Every kernel that this machine has gives the plain one's results.
#include "hw/sim/conv_kernels.h"

#include <algorithm>
#include <bit>
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

// Of windows whose words follow each other.
std::vector<ptrdiff_t> OffsetsOf(size_t steps) {
  std::vector<ptrdiff_t> offsets;
  for (size_t step = 0; step < (steps + 3) / 4 * 4; ++step) {
    offsets.push_back(step < steps ? static_cast<ptrdiff_t>(kChannels * step) : 0);
  }
  return offsets;
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

  // Over windows of four bits and of eight, from nothing and from sums that are there.
  void CompareSums(void (*ConvKernels::*kernel)(const AccumulateArgs&) noexcept, size_t steps, size_t weight_rows) {
    for (size_t lanes = kLaneBlock; lanes <= kMaxLanes; lanes += kLaneBlock) {
      for (size_t pixels = 1; pixels <= kKernelPixels; ++pixels) {
        const auto stride = static_cast<ptrdiff_t>(kChannels * steps + pixels % 3);
        const std::vector<ptrdiff_t> offsets = OffsetsOf(steps);
        const auto codes = Draw<uint8_t>(static_cast<size_t>(stride) * pixels, 0, pixels % 2 == 0 ? 15 : 255);
        const auto weights = Draw<int8_t>(weight_rows * lanes, -8, 8);
        auto sums = Draw<int32_t>(pixels * lanes, -(int64_t{1} << 31), (int64_t{1} << 31) - 1), expected = sums;
        for (const int shift : {-1, 0, 4, 8}) {
          AccumulateArgs args{codes.data(),   stride, offsets.data(), pixels, steps,
                              weights.data(), lanes,  shift < 0,      shift,  sums.data()};
          (GetParam()->*kernel)(args);
          args.acc = expected.data();
          (kGenericConvKernels.*kernel)(args);
          ASSERT_EQ(sums, expected) << lanes << " lanes, " << pixels << " pixels, " << steps << " steps, shift "
                                    << shift;
        }
      }
    }
  }

  std::mt19937_64 random_{11};
};

TEST_P(ConvKernelsTest, UnpackAsThePlainOne) {
  for (size_t lanes = 8; lanes <= kMaxLanes; lanes += 8) {
    for (const size_t rows : {1u, 2u, 9u}) {
      const size_t row_beats = lanes + 8 * (rows % 3);
      std::vector<uint64_t> beats(rows * row_beats);
      for (uint64_t& beat : beats) beat = random_();
      const size_t all = LanesOfBlocks(lanes);
      std::vector<int8_t> weights(rows * kChannels * all), expected = weights;
      const uint64_t sp2 = random_();
      GetParam()->unpack({beats.data(), rows, row_beats, lanes, sp2, weights.data()});
      kGenericConvKernels.unpack({beats.data(), rows, row_beats, lanes, sp2, expected.data()});
      for (size_t i = 0; i < weights.size(); ++i) {
        if (i / 4 % all >= lanes) weights[i] = expected[i] = 0;  // may hold anything
      }
      ASSERT_EQ(weights, expected) << lanes << " lanes, " << rows << " rows";
    }
  }
}

TEST_P(ConvKernelsTest, CountsTheNegative) {
  for (const size_t rows : {1u, 15u, 16u, 300u}) {
    constexpr size_t kLanes = 24, kRowBeats = 40;
    std::vector<uint64_t> beats(rows * kRowBeats);
    for (uint64_t& beat : beats) beat = rows == 300u ? ~uint64_t{0} : random_();
    std::vector<uint32_t> counts(kLanes, 5), expected = counts;
    GetParam()->count_negative({beats.data(), rows, kRowBeats, kLanes, counts.data()});
    for (size_t i = 0; i < beats.size(); ++i) {
      if (i % kRowBeats >= kLanes) continue;
      expected[i % kRowBeats] += static_cast<uint32_t>(std::popcount(beats[i] & 0x8888888888888888u));
    }
    ASSERT_EQ(counts, expected) << rows << " rows";
  }
}

TEST_P(ConvKernelsTest, AccumulateAsThePlainOne) {
  for (const size_t steps : {1u, 2u, 9u, 40u}) CompareSums(&ConvKernels::accumulate, steps, steps * kChannels);
}

TEST_P(ConvKernelsTest, AccumulateDiagonalAsThePlainOne) {
  for (const size_t steps : {4u, 12u, 40u}) CompareSums(&ConvKernels::accumulate_diagonal, steps, steps);
}

// Windows that share words, the later ones in front of the earlier ones.
TEST_P(ConvKernelsTest, WindowsMayBeAnywhere) {
  constexpr size_t kLanes = 32;
  const std::vector<ptrdiff_t> offsets = {64, -16, 0, 480};
  const auto codes = Draw<uint8_t>(1024, 0, 15);
  const auto weights = Draw<int8_t>(kChannels * offsets.size() * kLanes, -8, 8);
  std::vector<int32_t> sums(kKernelPixels * kLanes), expected = sums;
  AccumulateArgs args{
      codes.data() + 256, -16, offsets.data(), kKernelPixels, offsets.size(), weights.data(), kLanes, true, 0,
      sums.data()};
  GetParam()->accumulate(args);
  for (size_t pixel = 0; pixel < kKernelPixels; ++pixel) {
    for (size_t step = 0; step < offsets.size(); ++step) {
      for (size_t i = 0; i < kChannels * kLanes; ++i) {
        const size_t channel = i / kLanes, lane = i % kLanes;
        const auto from = static_cast<size_t>(256 - 16 * static_cast<ptrdiff_t>(pixel) + offsets[step]) + channel;
        const size_t weight = ((step * 4 + channel / 4) * kLanes + lane) * 4 + channel % 4;
        expected[pixel * kLanes + lane] += codes[from] * weights[weight];
      }
    }
  }
  EXPECT_EQ(sums, expected);
}

// Windows are no whole fours of steps: the weights behind them are zeros, whatever codes are there.
TEST_P(ConvKernelsTest, DiagonalStepsBehindTheLastDoNotCount) {
  constexpr size_t kSteps = 9, kLanes = 32, kPixels = 3;
  const auto codes = Draw<uint8_t>(kChannels * kSteps * kPixels, 0, 255);
  auto weights = Draw<int8_t>((kSteps + 3) / 4 * 4 * kLanes, -8, 8);
  for (size_t i = 8 * kLanes; i < weights.size(); ++i) weights[i] = i % 4 == 0 ? weights[i] : int8_t{0};
  std::vector<int32_t> sums(kPixels * kLanes), expected = sums;
  const std::vector<ptrdiff_t> offsets = OffsetsOf(kSteps);
  AccumulateArgs args{
      codes.data(), kChannels * kSteps, offsets.data(), kPixels, kSteps, weights.data(), kLanes, true, 0, sums.data()};
  GetParam()->accumulate_diagonal(args);
  args.acc = expected.data();
  kGenericConvKernels.accumulate_diagonal(args);
  EXPECT_EQ(sums, expected);
}

// A diagonal tile's sums are those of the same weights among zeros.
TEST(ConvKernelsReference, DiagonalIsAllWithZeros) {
  constexpr size_t kSteps = 6, kLanes = 32, kPixels = 2;
  std::mt19937 random(3);
  std::vector<uint8_t> codes(kChannels * kSteps * kPixels);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % 16);
  std::vector<int8_t> all(kSteps * kChannels * kLanes), diagonal((kSteps + 3) / 4 * 4 * kLanes);
  for (size_t step = 0; step < kSteps; ++step) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t channel = lane % kChannels;
      const auto weight = static_cast<int8_t>(static_cast<int>(random() % 17) - 8);
      all[((step * 4 + channel / 4) * kLanes + lane) * 4 + channel % 4] = weight;
      diagonal[(step / 4 * kLanes + lane) * 4 + step % 4] = weight;
    }
  }
  std::vector<int32_t> sums(kPixels * kLanes), expected = sums;
  const std::vector<ptrdiff_t> offsets = OffsetsOf(kSteps);
  AccumulateArgs args{
      codes.data(), kChannels * kSteps, offsets.data(), kPixels, kSteps, diagonal.data(), kLanes, true, 0, sums.data()};
  kGenericConvKernels.accumulate_diagonal(args);
  args.weights = all.data();
  args.acc = expected.data();
  kGenericConvKernels.accumulate(args);
  EXPECT_EQ(sums, expected);
}

// Over all that the instruction's fields can hold, so that sums are far outside of what a network has.
TEST_P(ConvKernelsTest, RequantizeAsThePlainOne) {
  constexpr int64_t kWide = int64_t{1} << 46;
  int set_bits = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t lanes = kLaneBlock * (1 + static_cast<size_t>(round) % 4), pixels = 1 + static_cast<size_t>(round) % 3;
    const int64_t b_limit = kWide >> (round % 40), acc_limit = (1 << 23) >> (round % 20);
    const auto acc = Draw<int32_t>(pixels * lanes, -acc_limit, acc_limit - 1);
    std::vector<uint64_t> skip(pixels * lanes / kLaneBlock), skip_high = skip;
    for (auto* words : {&skip, &skip_high}) {
      for (uint64_t& word : *words) word = random_();
    }
    const auto c = Draw<int32_t>(lanes, -acc_limit, acc_limit * (round % 5 == 0 ? 255 : 1));
    const auto m = Draw<int32_t>(lanes, 0, (1 << 17) - 1), m_below = Draw<int32_t>(lanes, 0, (1 << 17) - 1);
    const auto n = Draw<int32_t>(lanes, 0, (1 << 17) - 1), s = Draw<int32_t>(lanes, 0, round % 64);
    const auto t = Draw<int32_t>(lanes, -acc_limit, acc_limit - 1);
    const auto b = Draw<int64_t>(lanes, -b_limit, b_limit - 1), b_below = Draw<int64_t>(lanes, -b_limit, b_limit - 1);
    const LaneConstants constants = {c.data(), m.data(),       n.data(), s.data(),
                                     t.data(), m_below.data(), b.data(), b_below.data()};
    for (const bool has_skip : {false, true}) {
      for (const bool leaky : {false, true}) {
        for (const bool wide : {false, true}) {
          std::vector<uint64_t> low(pixels * lanes / kLaneBlock, 1), high = low, expected_low = low,
                                                                     expected_high = low;
          const PixelWords<const uint64_t> added = {has_skip ? skip.data() : nullptr,
                                                    round % 2 == 0 ? skip_high.data() : nullptr};
          RequantizeArgs args{
              acc.data(), added, pixels, lanes, constants, leaky, {low.data(), wide ? high.data() : nullptr}};
          GetParam()->requantize(args);
          args.codes = {expected_low.data(), wide ? expected_high.data() : nullptr};
          kGenericConvKernels.requantize(args);
          ASSERT_EQ(low, expected_low) << "round " << round;
          ASSERT_EQ(high, expected_high) << "round " << round;
          for (const uint64_t word : expected_low) set_bits += std::popcount(word) % 64;
        }
      }
    }
  }
  EXPECT_GT(set_bits, 10000);
}

INSTANTIATE_TEST_SUITE_P(All, ConvKernelsTest, ::testing::ValuesIn(Supported()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace msq::hw
