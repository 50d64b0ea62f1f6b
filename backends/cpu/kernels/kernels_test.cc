// Every row of the kernel table against the scalar row, over sizes with primes and ones, and over extreme operands. Outputs
// are followed by guard bytes that must survive.
#include "backends/cpu/kernels/kernel_table.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "gtest/gtest.h"
#include "model/numerics/requantize.h"

namespace msq::cpu {
namespace {

constexpr int64_t kGuard = 64;
constexpr uint8_t kGuardByte = 0xa5;

class KernelsTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supported()) GTEST_SKIP() << "this machine cannot run the '" << GetParam()->name << "' kernels";
  }

  int64_t Uniform(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }

  // mode 0: random; 1: all `high`; 2: alternately `low` and `high`.
  template <typename T>
  void Fill(T* data, int64_t count, int64_t low, int64_t high, int mode) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t value = mode == 0 ? Uniform(low, high) : mode == 1 || i % 2 == 1 ? high : low;
      data[i] = static_cast<T>(value);
    }
  }

  const KernelTable& kernels() const { return *GetParam(); }

 private:
  std::mt19937_64 random_{1};
};

// acc of both rows of the table for the same operands.
void ExpectSameGemm(void (*gemm)(const GemmParams&) noexcept, GemmParams params, const std::string& what) {
  const auto size = static_cast<size_t>(params.row_count * params.block_count * kColumnBlock);
  AlignedBuffer expected(size * 4), actual(size * 4 + kGuard);
  std::memset(actual.as<uint8_t>(), kGuardByte, actual.size());
  const int64_t acc_stride = params.block_count * kColumnBlock;
  for (int64_t r = 0; r < params.row_count; ++r) {
    for (int64_t b = 0; b < params.block_count; ++b) {
      GemmParams one = params;
      one.rows += r * params.row_stride;
      one.row_count = 1;
      one.weights += b * params.depth_groups * kDepthGroup * kColumnBlock;
      one.block_count = 1;
      one.acc = expected.as<int32_t>() + r * acc_stride + b * kColumnBlock;
      kScalarKernels.gemm_wide(one);
    }
  }
  params.acc = actual.as<int32_t>();
  gemm(params);
  ASSERT_EQ(std::memcmp(actual.as<uint8_t>(), expected.as<uint8_t>(), size * 4), 0) << what;
  for (int64_t i = 0; i < kGuard; ++i)
    ASSERT_EQ(actual.as<uint8_t>()[size * 4 + static_cast<size_t>(i)], kGuardByte) << what;
}

TEST_P(KernelsTest, GemmIsExactForEveryTileSize) {
  for (int64_t rows = 1; rows <= kernels().gemm_rows; ++rows) {
    for (int64_t blocks = 1; blocks <= kernels().gemm_blocks; ++blocks) {
      for (int64_t groups : {1, 2, 3, 7, 16, 37, 145, 600}) {
        for (int mode : {0, 1, 2}) {
          const int64_t depth = groups * kDepthGroup, stride = depth + 5;
          AlignedBuffer codes(static_cast<size_t>(rows * stride + kReadSlack));
          AlignedBuffer weights(static_cast<size_t>(blocks * depth * kColumnBlock));
          const std::string what = "rows " + std::to_string(rows) + " blocks " + std::to_string(blocks) + " groups " +
                                   std::to_string(groups) + " mode " + std::to_string(mode);
          Fill(codes.as<uint8_t>(), rows * stride, 0, 255, mode);
          Fill(weights.as<int8_t>(), blocks * depth * kColumnBlock, -128, 127, mode);
          GemmParams params = {
              codes.as<uint8_t>(), stride, rows, weights.as<int8_t>(), blocks, groups, nullptr, 255, 128};
          ASSERT_NO_FATAL_FAILURE(ExpectSameGemm(kernels().gemm_wide, params, what + " wide"));
          // |w0| + |w1| <= 128: 255 * 128 is the most that fits.
          Fill(weights.as<int8_t>(), blocks * depth * kColumnBlock, -64, 64, mode);
          params.max_weight = 64;
          ASSERT_NO_FATAL_FAILURE(ExpectSameGemm(kernels().gemm, params, what));
          Fill(codes.as<uint8_t>(), rows * stride, 0, 15, mode);
          params.max_code = 15;
          for (int64_t max_weight : {0, 1, 8, 128}) {
            params.max_weight = max_weight;
            Fill(weights.as<int8_t>(), blocks * depth * kColumnBlock, -max_weight, std::min<int64_t>(max_weight, 127),
                 mode);
            ASSERT_NO_FATAL_FAILURE(
                ExpectSameGemm(kernels().gemm, params, what + " 4-bit, weights to " + std::to_string(max_weight)));
          }
        }
      }
    }
  }
}

// Tap pointers into one buffer of random codes, in no order.
TEST_P(KernelsTest, WindowsAreExact) {
  for (int64_t channels : {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 47, 64, 67}) {
    for (int64_t taps : {1, 2, 9, 25, 64}) {
      const int64_t pixels = 5, padded = RoundUp(channels, kColumnBlock), pool = 997;
      AlignedBuffer codes(static_cast<size_t>(pool + padded + kReadSlack)), weights(static_cast<size_t>(taps * padded));
      Fill(codes.as<uint8_t>(), static_cast<int64_t>(codes.size()), 0, 255, 0);
      Fill(weights.as<int8_t>(), taps * padded, -128, 127, channels % 3 == 0 ? 2 : 0);
      std::vector<const uint8_t*> pointers;
      for (int64_t i = 0; i < pixels * taps; ++i) pointers.push_back(codes.as<uint8_t>() + Uniform(0, pool));
      const auto run = [&](const KernelTable& k) {
        // Three outputs that start from something and are added to.
        std::vector<int32_t> depthwise(static_cast<size_t>(pixels * padded), 1000), sum = depthwise;
        std::vector<uint8_t> max(static_cast<size_t>((pixels - 1) * (channels + 3) + channels + kGuard), kGuardByte);
        WindowParams params = {pointers.data(),      pixels,           taps,       channels,
                               weights.as<int8_t>(), depthwise.data(), max.data(), channels + 3};
        k.depthwise(params);
        params.acc = sum.data();
        k.window_sum(params);
        k.window_max(params);
        // Padding channels are nobody's.
        std::vector<int32_t> acc;
        for (int64_t p = 0; p < pixels; ++p) {
          acc.insert(acc.end(), depthwise.begin() + p * padded, depthwise.begin() + p * padded + channels);
          acc.insert(acc.end(), sum.begin() + p * padded, sum.begin() + p * padded + channels);
        }
        return std::pair(acc, max);
      };
      ASSERT_EQ(run(kernels()), run(kScalarKernels)) << channels << " channels, " << taps << " taps";
    }
  }
}

enum class Form { kPlain, kSkip, kLeaky };

class RequantizeTest : public KernelsTest {
 protected:
  // Constants over their whole ranges, limits included, half of them; half such that results are not all clamped.
  void Constants(int64_t count) {
    for (auto* v :
         {&multipliers_, &addends_, &shifts_, &skips_, &thresholds_, &negative_multipliers_, &negative_addends_}) {
      v->assign(static_cast<size_t>(count), 0);
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const bool edge = i % 2 == 0;
      shifts_[i] = edge ? std::vector<int64_t>{0, 1, 31, 32, 33, 45, 46}[i / 2 % 7] : Uniform(28, 38);
      multipliers_[i] =
          edge ? (i % 4 == 0 ? 1 : numerics::kMultiplierLimit - 1) : Uniform(1, numerics::kMultiplierLimit - 1);
      addends_[i] = edge
                        ? std::vector<int64_t>{numerics::kAddendLimit - 1, 1 - numerics::kAddendLimit, 0, -1}[i / 2 % 4]
                        : Uniform(-1, 15) << shifts_[i];
      skips_[i] = edge ? numerics::kMultiplierLimit - 1 : Uniform(1, numerics::kMultiplierLimit - 1);
      thresholds_[i] = edge ? 0 : Uniform(-1000, 1000);
      negative_multipliers_[i] = Uniform(0, multipliers_[i]);
      negative_addends_[i] = addends_[i] / 2;
    }
  }

  RequantizeConstants Pointers(Form form) const {
    RequantizeConstants k = {multipliers_.data(), addends_.data(), shifts_.data(), nullptr, nullptr, nullptr, nullptr};
    if (form == Form::kSkip) k.skip_multipliers = skips_.data();
    if (form == Form::kLeaky) {
      k.thresholds = thresholds_.data();
      k.negative_multipliers = negative_multipliers_.data();
      k.negative_addends = negative_addends_.data();
    }
    return k;
  }

  std::vector<int64_t> multipliers_, addends_, shifts_, skips_, thresholds_, negative_multipliers_, negative_addends_;
};

TEST_P(RequantizeTest, IsExactForEveryFormAndWidth) {
  constexpr int64_t kHigh = numerics::kAccumulatorLimit - 1;
  for (int64_t columns : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 61, 64}) {
    for (Form form : {Form::kPlain, Form::kSkip, Form::kLeaky}) {
      for (int64_t step : {int64_t{0}, kColumnBlock}) {
        const int64_t rows = 6, padded = RoundUp(columns, kColumnBlock), in_stride = padded + 16,
                      out_stride = columns + 2;
        Constants(padded);
        AlignedBuffer acc(static_cast<size_t>(rows * in_stride * 4)),
            codes(static_cast<size_t>(rows * in_stride + kReadSlack));
        AlignedBuffer skip(static_cast<size_t>(rows * in_stride + kReadSlack));
        Fill(acc.as<int32_t>(), rows * in_stride, -kHigh, kHigh, 0);
        Fill(acc.as<int32_t>(), in_stride, -kHigh, kHigh, 2);
        Fill(acc.as<int32_t>() + in_stride, in_stride, -1000, 1000, 0);
        Fill(codes.as<uint8_t>(), rows * in_stride, 0, 255, 0);
        Fill(skip.as<uint8_t>(), rows * in_stride, 0, 255, 0);
        const auto run = [&](void (*kernel)(const RequantizeParams&) noexcept, int64_t max_code) {
          std::vector<uint8_t> out(static_cast<size_t>((rows - 1) * out_stride + columns + kGuard), kGuardByte);
          kernel({acc.as<int32_t>(), codes.as<uint8_t>(), in_stride, rows, columns, Pointers(form), step,
                  skip.as<uint8_t>(), in_stride, out.data(), out_stride, max_code});
          return out;
        };
        for (int64_t max_code : {15, 255}) {
          ASSERT_EQ(run(kernels().requantize, max_code), run(kScalarKernels.requantize, max_code))
              << columns << " columns, form " << static_cast<int>(form) << ", step " << step;
          ASSERT_EQ(run(kernels().requantize_codes, max_code), run(kScalarKernels.requantize_codes, max_code))
              << columns << " columns of codes, form " << static_cast<int>(form) << ", step " << step;
        }
      }
    }
  }
}

// The scalar row itself against the specification.
TEST_P(RequantizeTest, AgreesWithTheSpecification) {
  Constants(kColumnBlock);
  AlignedBuffer skip(kColumnBlock + kReadSlack), out(kColumnBlock);
  for (int64_t base : {-numerics::kAccumulatorLimit + 1, int64_t{-20}, int64_t{0}, numerics::kAccumulatorLimit - 17}) {
    AlignedBuffer acc(kColumnBlock * 4);
    for (int64_t i = 0; i < kColumnBlock; ++i) acc.as<int32_t>()[i] = static_cast<int32_t>(base + i);
    Fill(skip.as<uint8_t>(), kColumnBlock, 0, 255, 0);
    for (Form form : {Form::kPlain, Form::kSkip, Form::kLeaky}) {
      kernels().requantize({acc.as<int32_t>(), nullptr, kColumnBlock, 1, kColumnBlock, Pointers(form), kColumnBlock,
                            skip.as<uint8_t>(), kColumnBlock, out.as<uint8_t>(), kColumnBlock, 15});
      for (size_t i = 0; i < kColumnBlock; ++i) {
        const int32_t a = acc.as<int32_t>()[i];
        const auto m = static_cast<uint32_t>(multipliers_[i]);
        const auto s = static_cast<int>(shifts_[i]);
        const uint8_t expected =
            form == Form::kPlain  ? numerics::Requantize(a, m, addends_[i], s, 4)
            : form == Form::kSkip ? numerics::RequantizeWithSkip(a, m, skip.as<uint8_t>()[i],
                                                                 static_cast<uint32_t>(skips_[i]), addends_[i], s, 4)
                                  : numerics::RequantizeLeaky(a, static_cast<int32_t>(thresholds_[i]), m, addends_[i],
                                                              static_cast<uint32_t>(negative_multipliers_[i]),
                                                              negative_addends_[i], s, 4);
        EXPECT_EQ(out.as<uint8_t>()[i], expected) << "column " << i << " acc " << a;
      }
    }
  }
}

std::string RowName(const ::testing::TestParamInfo<const KernelTable*>& info) {
  return info.param->name;
}
INSTANTIATE_TEST_SUITE_P(Rows, KernelsTest, ::testing::ValuesIn(Kernels().begin(), Kernels().end()), RowName);
INSTANTIATE_TEST_SUITE_P(Rows, RequantizeTest, ::testing::ValuesIn(Kernels().begin(), Kernels().end()), RowName);

}  // namespace
}  // namespace msq::cpu
