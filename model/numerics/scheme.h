// The weight number sets: which integers a 4-bit (or 8-bit) code can stand for, and the bijection between code and
// integer. Normative text: docs/numerics.md, rules N3 to N6. Freestanding: also compiled into RTL benches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace msq::numerics {

// One per row (output channel) of a layer's weights.
enum class Scheme : uint8_t {
  kFixed4 = 0,     // -7..7, unit alpha/7: a product is one multiplication (DSP)
  kSp2 = 1,        // 0, +-1, +-2, +-4, +-5, +-6, +-8, unit alpha/8: a product is two shifts and an add (LUT)
  kP2 = 2,         // 0, +-1, +-2, ..., +-64, unit alpha/64: a product is one shift
  kFixed8 = 3,     // -127..127, unit alpha/127
  kCodebook4 = 4,  // 16 distinct int8 values given by the artifact
};

constexpr int kSchemeCount = 5;

// As documents and reports spell it.
constexpr const char* SchemeName(Scheme scheme) {
  constexpr std::array<const char*, kSchemeCount> kNames = {"fixed4", "sp2_4", "p2_4", "fixed8", "codebook4"};
  return kNames[static_cast<size_t>(scheme)];
}

// Codes are 4 bits wide for every scheme but fixed8.
constexpr int CodeBits(Scheme scheme) {
  return scheme == Scheme::kFixed8 ? 8 : 4;
}

// The integer that stands for alpha, so that real = alpha * value / FullScale (N3). A codebook is its own scale.
constexpr int FullScale(Scheme scheme) {
  switch (scheme) {
    case Scheme::kFixed4:
      return 7;
    case Scheme::kSp2:
      return 8;
    case Scheme::kP2:
      return 64;
    case Scheme::kFixed8:
    case Scheme::kCodebook4:
      return 127;
  }
  return 0;
}

// The magnitudes of each scheme in ascending order (N4).
inline constexpr std::array<int8_t, 8> kFixed4Magnitudes = {0, 1, 2, 3, 4, 5, 6, 7};
inline constexpr std::array<int8_t, 7> kSp2Magnitudes = {0, 1, 2, 4, 5, 6, 8};
inline constexpr std::array<int8_t, 8> kP2Magnitudes = {0, 1, 2, 4, 8, 16, 32, 64};

// An SP2 code is sign | e1 (2 bits) | e2 (1 bit): magnitude T1[e1] + T2[e2] in units of alpha/8 (N5).
inline constexpr std::array<int8_t, 4> kSp2First = {0, 1, 2, 4};
inline constexpr std::array<int8_t, 2> kSp2Second = {0, 4};

namespace internal {

constexpr std::optional<int8_t> WithSign(bool negative, int magnitude) {
  if (negative && magnitude == 0) return std::nullopt;  // -0 is not canonical
  return static_cast<int8_t>(negative ? -magnitude : magnitude);
}

constexpr std::optional<int8_t> DecodeFixed4(uint8_t code) {
  const int value = code >= 8 ? code - 16 : code;  // two's complement
  if (value == -8) return std::nullopt;
  return static_cast<int8_t>(value);
}

constexpr std::optional<int8_t> DecodeSp2(uint8_t code) {
  const int e1 = (code >> 1) & 3, e2 = code & 1;
  if (e1 == 0 && e2 == 1) return std::nullopt;  // 4 is written e1 = 3, e2 = 0
  return WithSign((code & 8) != 0, kSp2First[e1] + kSp2Second[e2]);
}

constexpr std::optional<int8_t> DecodeP2(uint8_t code) {
  const int e = code & 7;
  return WithSign((code & 8) != 0, e == 0 ? 0 : 1 << (e - 1));
}

constexpr std::optional<int8_t> DecodeFixed8(uint8_t code) {
  const int value = code >= 128 ? code - 256 : code;
  if (value == -128) return std::nullopt;
  return static_cast<int8_t>(value);
}

}  // namespace internal

// The integer that `code` stands for, or nullopt when it is not the canonical code of any value (N6). A codebook has
// 16 entries; the other schemes ignore it.
constexpr std::optional<int8_t> DecodeWeight(Scheme scheme, uint8_t code, std::span<const int8_t> codebook = {}) {
  if (CodeBits(scheme) == 4 && code > 15) return std::nullopt;
  switch (scheme) {
    case Scheme::kFixed4:
      return internal::DecodeFixed4(code);
    case Scheme::kSp2:
      return internal::DecodeSp2(code);
    case Scheme::kP2:
      return internal::DecodeP2(code);
    case Scheme::kFixed8:
      return internal::DecodeFixed8(code);
    case Scheme::kCodebook4:
      if (codebook.size() != 16) return std::nullopt;
      return codebook[code];
  }
  return std::nullopt;
}

// The canonical code of `value`, or nullopt when the scheme cannot hold it. Inverse of DecodeWeight.
constexpr std::optional<uint8_t> EncodeWeight(Scheme scheme, int8_t value, std::span<const int8_t> codebook = {}) {
  const int codes = 1 << CodeBits(scheme);
  for (int code = 0; code < codes; ++code) {
    if (DecodeWeight(scheme, static_cast<uint8_t>(code), codebook) == value) return static_cast<uint8_t>(code);
  }
  return std::nullopt;
}

// An 8-bit weight as two balanced radix-16 digits, value = 16 * high + low, each digit within +-8 (N7), so that an
// engine built for 4-bit weights can hold it.
struct Radix16 {
  int8_t high;
  int8_t low;
};
constexpr Radix16 SplitRadix16(int8_t value) {
  const int low = ((value + 8) & 15) - 8;  // -8..7
  return {static_cast<int8_t>((value - low) / 16), static_cast<int8_t>(low)};
}

}  // namespace msq::numerics
