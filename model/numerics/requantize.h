// Requantization: from an exact accumulator to a b-bit code, as one DSP48 multiply-add and a shift. The only rounding
// in the project. Normative text: docs/numerics.md, rules N8 to N12. Freestanding: also compiled into RTL benches.
#pragma once

#include <cstdint>

namespace msq::numerics {

// Field widths of the accelerator's requantizer (N8). The verifier holds every artifact to them.
inline constexpr int kAccumulatorBits = 24;  // signed: |acc| < 2^23
inline constexpr int kMultiplierBits = 17;   // unsigned
inline constexpr int kAddendBits = 47;       // signed: |B| < 2^46
inline constexpr int kMaxShift = 46;         // S in 0..46
inline constexpr int64_t kAccumulatorLimit = int64_t{1} << (kAccumulatorBits - 1);
inline constexpr int64_t kMultiplierLimit = int64_t{1} << kMultiplierBits;
inline constexpr int64_t kAddendLimit = int64_t{1} << (kAddendBits - 1);

// The widest sum, |acc*M| + |skip*N| + |B| < 2^40 + 2^25 + 2^46, fits the 48-bit adder (N9).
static_assert(kAccumulatorLimit * kMultiplierLimit + 255 * kMultiplierLimit + kAddendLimit < (int64_t{1} << 47));

constexpr int32_t MaxCode(int bits) {
  return (int32_t{1} << bits) - 1;
}

// clamp(sum >> shift, 0, 2^bits - 1) with an arithmetic shift: floor. Round half up comes from the half that is folded
// into the addend (N10).
constexpr uint8_t ShiftAndClamp(int64_t sum, int shift, int bits) {
  const int64_t shifted = sum >> shift;  // C++20: arithmetic
  const int64_t high = MaxCode(bits);
  return static_cast<uint8_t>(shifted < 0 ? 0 : shifted > high ? high : shifted);
}

// N10: y = clamp((acc * M + B) >> S, 0, 2^bits - 1).
constexpr uint8_t Requantize(int32_t acc, uint32_t multiplier, int64_t addend, int shift, int bits) {
  return ShiftAndClamp(int64_t{acc} * multiplier + addend, shift, bits);
}

// N11: a residual code adds its own term to the same sum, before the shift.
constexpr uint8_t RequantizeWithSkip(int32_t acc, uint32_t multiplier, uint8_t skip, uint32_t skip_multiplier,
                                     int64_t addend, int shift, int bits) {
  return ShiftAndClamp(int64_t{acc} * multiplier + int64_t{skip} * skip_multiplier + addend, shift, bits);
}

// N12: leaky ReLU takes a second multiplier and addend below a threshold on the accumulator.
constexpr uint8_t RequantizeLeaky(int32_t acc, int32_t threshold, uint32_t multiplier, int64_t addend,
                                  uint32_t negative_multiplier, int64_t negative_addend, int shift, int bits) {
  return acc >= threshold ? Requantize(acc, multiplier, addend, shift, bits)
                          : Requantize(acc, negative_multiplier, negative_addend, shift, bits);
}

}  // namespace msq::numerics
