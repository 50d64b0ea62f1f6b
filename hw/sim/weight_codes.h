// What the 4-bit codes of weights are worth to the array's engines, canonical or not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/numerics/scheme.h"

namespace msq::hw {

using WeightCodes = std::array<int8_t, 16>;

inline constexpr WeightCodes kTwosComplementCodes = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};

inline constexpr WeightCodes kSp2Codes = [] {
  WeightCodes codes{};
  for (size_t code = 0; code < codes.size(); ++code) {
    const int magnitude = numerics::kSp2First[code >> 1 & 3] + numerics::kSp2Second[code & 1];
    codes[code] = static_cast<int8_t>((code & 8) != 0 ? -magnitude : magnitude);
  }
  return codes;
}();

}  // namespace msq::hw
