// The inner loops of the functional model's CONV, one file an instruction set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace msq::hw {

inline constexpr size_t kKernelPixels = 4;  // that accumulate takes at once
inline constexpr size_t kLaneBlock = 16;    // lanes are counted in blocks of so many

// Sums of one pass: acc[pixel * lanes + lane] = sum over steps and channels of code * weight.
struct AccumulateArgs {
  // Of each pixel and step the word of 16 codes, one a byte: words[pixel * steps + step].
  const uint8_t* const* words;
  size_t pixels;  // 1 to kKernelPixels
  size_t steps;
  const int8_t* weights;  // [step][4][lanes][4]: channels in fours
  size_t lanes;           // a multiple of kLaneBlock, at most 64
  int32_t* acc;
};

// Of all lanes of a tile, named as in the programmer's guide; [lanes].
struct LaneConstants {
  const int32_t *m, *n, *s, *t, *m_below;
  const int64_t *b, *b_below;
};

// codes[lane] = clamp((acc * M + skip * N + B) >> S, 0, max), with M' and B' where acc < T if `leaky`.
struct RequantizeArgs {
  const int32_t* acc;
  const uint8_t* skip;  // null: none
  LaneConstants constants;
  bool leaky;
  int max;
  size_t lanes;
  uint8_t* codes;
};

// All noexcept and without allocation.
struct ConvKernels {
  const char* name;
  bool (*supported)() noexcept;
  void (*accumulate)(const AccumulateArgs&) noexcept;
  void (*requantize)(const RequantizeArgs&) noexcept;
};

extern const ConvKernels kGenericConvKernels;
extern const ConvKernels kAvx2ConvKernels;        // x86-64 only
extern const ConvKernels kAvx512VnniConvKernels;  // x86-64 only

// All that were built for this processor's family, the fastest first. The last is supported everywhere.
std::span<const ConvKernels* const> AllConvKernels();

// The fastest that this processor has.
inline const ConvKernels& FastestConvKernels() {
  const auto all = AllConvKernels();
  return **std::find_if(all.begin(), all.end(), [](const ConvKernels* each) { return each->supported(); });
}

}  // namespace msq::hw
