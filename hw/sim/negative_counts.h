// How many of a lane's weights have the sign bit, counted in plain C++. Each file of kernels compiles it for its own
// processor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {

inline constexpr uint64_t kNibbleOnes = 0x1111111111111111u;
inline constexpr size_t kNibbleRows = 15;  // that counts in nibbles hold

// Rows are counted in nibbles as long as those hold.
[[gnu::always_inline]] inline void CountNegativeRows(const NegativeArgs& args) {
  constexpr uint64_t kLow = 0x0f0f0f0f0f0f0f0fu, kPairs = 0x00ff00ff00ff00ffu;
  for (size_t first = 0; first < args.rows; first += kNibbleRows) {
    uint64_t nibbles[kMaxLanes] = {};
    const size_t end = first + kNibbleRows < args.rows ? first + kNibbleRows : args.rows;
    for (size_t row = first; row < end; ++row) {
      const uint64_t* beats = args.beats + row * args.row_beats;
      for (size_t lane = 0; lane < args.lanes; ++lane) nibbles[lane] += beats[lane] >> 3 & kNibbleOnes;
    }
    for (size_t lane = 0; lane < args.lanes; ++lane) {
      const uint64_t bytes = (nibbles[lane] & kLow) + (nibbles[lane] >> 4 & kLow);
      const uint64_t pairs = (bytes & kPairs) + (bytes >> 8 & kPairs);
      args.counts[lane] += static_cast<uint32_t>(pairs * 0x0001000100010001u >> 48);
    }
  }
}

}  // namespace msq::hw
