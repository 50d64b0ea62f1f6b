#include "model/numerics/scheme.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

namespace msq::numerics {
namespace {

constexpr std::array<int8_t, 16> kCodebook = {-90, -55, -31, -17, -9, -4, -1, 0, 2, 5, 11, 19, 33, 58, 91, 127};
constexpr Scheme kSchemes[] = {Scheme::kFixed4, Scheme::kSp2, Scheme::kP2, Scheme::kFixed8, Scheme::kCodebook4};

std::vector<int> SignedValues(std::span<const int8_t> magnitudes) {
  std::set<int> values;
  for (int8_t magnitude : magnitudes) values.insert({magnitude, -magnitude});
  return {values.begin(), values.end()};
}

std::vector<int> DecodableValues(Scheme scheme) {
  std::vector<int> values;
  for (int code = 0; code < 256; ++code) {
    if (const auto value = DecodeWeight(scheme, static_cast<uint8_t>(code), kCodebook)) values.push_back(*value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Scheme, HoldsExactlyItsNumberSet) {  // N4
  EXPECT_EQ(DecodableValues(Scheme::kFixed4), SignedValues(kFixed4Magnitudes));
  EXPECT_EQ(DecodableValues(Scheme::kSp2), SignedValues(kSp2Magnitudes));
  EXPECT_EQ(DecodableValues(Scheme::kP2), SignedValues(kP2Magnitudes));
  std::vector<int> fixed8(255);
  for (int i = 0; i < 255; ++i) fixed8[static_cast<size_t>(i)] = i - 127;
  EXPECT_EQ(DecodableValues(Scheme::kFixed8), fixed8);
  EXPECT_EQ(DecodableValues(Scheme::kCodebook4), std::vector<int>(kCodebook.begin(), kCodebook.end()));
}

TEST(Scheme, CodeAndValueAreOneToOne) {  // N6
  for (Scheme scheme : kSchemes) {
    for (int code = 0; code < 256; ++code) {
      const auto value = DecodeWeight(scheme, static_cast<uint8_t>(code), kCodebook);
      if (!value) continue;
      EXPECT_EQ(EncodeWeight(scheme, *value, kCodebook), code) << "scheme " << static_cast<int>(scheme);
    }
    for (int value = -128; value < 128; ++value) {
      const auto code = EncodeWeight(scheme, static_cast<int8_t>(value), kCodebook);
      if (!code) continue;
      EXPECT_EQ(DecodeWeight(scheme, *code, kCodebook), value) << "scheme " << static_cast<int>(scheme);
    }
  }
}

TEST(Scheme, RefusesCodesThatAreNotCanonical) {                    // N6
  EXPECT_EQ(DecodeWeight(Scheme::kFixed4, 0b1000), std::nullopt);  // -8
  EXPECT_EQ(DecodeWeight(Scheme::kSp2, 0b1000), std::nullopt);     // -0
  EXPECT_EQ(DecodeWeight(Scheme::kSp2, 0b0001), std::nullopt);     // 4 as 0 + 4
  EXPECT_EQ(DecodeWeight(Scheme::kSp2, 0b1001), std::nullopt);
  EXPECT_EQ(DecodeWeight(Scheme::kP2, 0b1000), std::nullopt);
  EXPECT_EQ(DecodeWeight(Scheme::kFixed8, 0x80), std::nullopt);  // -128
  EXPECT_EQ(DecodeWeight(Scheme::kFixed4, 16), std::nullopt);
  EXPECT_EQ(DecodeWeight(Scheme::kCodebook4, 3), std::nullopt) << "without a codebook";
}

// What a LUT engine computes for an SP2 code: two shifts of the activation and one add (N5).
int ShiftAndAdd(uint8_t code, int activation) {
  const int e1 = (code >> 1) & 3, e2 = code & 1;
  const int sum = (e1 != 0 ? activation << (e1 - 1) : 0) + (e2 != 0 ? activation << 2 : 0);
  return (code & 8) != 0 ? -sum : sum;
}

TEST(Scheme, EveryProductOfEveryCodeAndActivation) {  // N5: all codes x all 8-bit activations x all schemes
  int checked = 0;
  for (Scheme scheme : kSchemes) {
    for (int code = 0; code < (1 << CodeBits(scheme)); ++code) {
      const auto value = DecodeWeight(scheme, static_cast<uint8_t>(code), kCodebook);
      if (!value) continue;
      for (int q = 0; q < 256; ++q) {
        const int product = *value * q;
        if (scheme == Scheme::kSp2) {
          EXPECT_EQ(ShiftAndAdd(static_cast<uint8_t>(code), q), product);
        }
        if (scheme == Scheme::kP2 && *value != 0) {
          const int shifted = q << ((code & 7) - 1);
          EXPECT_EQ((code & 8) != 0 ? -shifted : shifted, product);
        }
        const Radix16 digits = SplitRadix16(*value);
        EXPECT_EQ(16 * digits.high * q + digits.low * q, product);  // N7
        EXPECT_LE(std::abs(product), scheme == Scheme::kFixed4 ? 7 * q : scheme == Scheme::kSp2 ? 8 * q : 127 * q);
        ++checked;
      }
    }
  }
  EXPECT_EQ(checked, 256 * (15 + 13 + 15 + 255 + 16));
}

TEST(Scheme, RadixDigitsStayWithinEight) {  // N7
  for (int value = -127; value <= 127; ++value) {
    const Radix16 digits = SplitRadix16(static_cast<int8_t>(value));
    EXPECT_EQ(16 * digits.high + digits.low, value);
    EXPECT_LE(std::abs(digits.high), 8) << value;
    EXPECT_GE(digits.low, -8) << value;
    EXPECT_LE(digits.low, 7) << value;
  }
}

}  // namespace
}  // namespace msq::numerics
