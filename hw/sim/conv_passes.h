// The passes of a CONV as the functional model computes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hw/regs/isa.h"

namespace msq::hw {

// What a window is made of: one plane's codes of four bits, or those of both as eight.
enum class CodeSource : uint8_t { kLow, kHigh, kBoth };
inline constexpr size_t kCodeSources = 3;

struct ConvPass {
  int64_t row;  // the first one of its weights
  CodeSource source;
  int shift;  // of the sums that are there
};

// The first weight row of each pass, as the instruction says it or, with `stream`, one pass after the other.
std::array<int64_t, 8> PassRows(const ConvFields& f);

// The instruction's passes. High codes followed by low ones, shifted, over the same weights are one pass over both.
std::vector<ConvPass> PassesOf(const ConvFields& f);

inline int64_t StepsOf(const ConvFields& f) {
  return f.kernel_h * f.kernel_w * f.channel_groups;
}

}  // namespace msq::hw
