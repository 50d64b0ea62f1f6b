// 8-bit weights as sums of what a lane can multiply by in one pass (N7, and the passes of the programmer's guide).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace msq::fpga {

// What a lane takes for weights.
enum class WeightCode : uint8_t {
  kSp2,             // 0, 1, 2, 4, 5, 6, 8 and their negatives: any lane
  kTwosComplement,  // -8..7: DSP lanes
};

// A weight is 16 * (sum of `high` digits) + (sum of `low` digits): that many rows of 4-bit weights.
struct DigitShape {
  int high = 0;
  int low = 1;

  int count() const { return high + low; }
  bool operator==(const DigitShape&) const = default;
};

// From the cheapest to the one that holds every weight.
inline constexpr std::array<DigitShape, 6> kDigitShapes = {{{0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 1}, {2, 2}}};

// The high digits, then the low ones.
using Digits = std::array<int8_t, 4>;

// The digits of `value`, or nothing if so few cannot hold it.
std::optional<Digits> FindDigits(WeightCode code, DigitShape shape, int8_t value);

// Whether FindDigits finds all of `values`.
bool HoldsAll(WeightCode code, DigitShape shape, std::span<const int8_t> values);

// 4 bits.
uint64_t EncodeDigit(WeightCode code, int8_t digit);

}  // namespace msq::fpga
