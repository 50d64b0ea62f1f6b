// The inner loops of the functional model's CONV, one file an instruction set. The generic ones are the reference that
// the others are tested against.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace msq::hw {

inline constexpr size_t kChannels = 16;     // of a word
inline constexpr size_t kKernelPixels = 8;  // that a kernel takes at once
inline constexpr size_t kLaneBlock = 16;    // lanes are counted in blocks of so many
inline constexpr size_t kMaxLanes = 64;

// Rounded up to whole blocks.
constexpr size_t LanesOfBlocks(size_t lanes) {
  return (lanes + kLaneBlock - 1) / kLaneBlock * kLaneBlock;
}

// Weights of a tile from DRAM: beats of 16 codes to a code a byte.
struct UnpackArgs {
  const uint64_t* beats;  // [row][row_beats]
  size_t rows, row_beats;
  size_t lanes;     // from the first on; a multiple of 8, at most kMaxLanes
  uint64_t sp2;     // bit l: codes of lane l are sp2_4, else two's complement
  int8_t* weights;  // [row][4][lanes of blocks][4]: channels in fours; lanes beyond `lanes` hold anything
};

// Adds to counts[lane] how many of the lane's weights have the sign bit.
struct NegativeArgs {
  const uint64_t* beats;  // [row][row_beats]
  size_t rows, row_beats;
  size_t lanes;  // from the first on; at most kMaxLanes
  uint32_t* counts;
};

// Sums of one pass over the windows of some pixels: acc[pixel][lane] = (acc[pixel][lane] << shift) + sum over steps and
// channels of code * weight, modulo 2^32.
struct AccumulateArgs {
  const uint8_t* windows;  // of the first pixel
  ptrdiff_t stride;        // bytes from one pixel's window to the next one's
  const ptrdiff_t*
      offsets;    // [steps, rounded up to fours]: bytes from a window to its 16 codes; those beyond are read, too
  size_t pixels;  // 1 to kKernelPixels
  size_t steps;
  const int8_t* weights;  // [step][4][lanes][4]: channels in fours
  size_t lanes;           // a multiple of kLaneBlock
  bool is_first;          // takes acc as 0
  int shift;
  int32_t* acc;  // [pixel][lanes]
};

// Of all lanes of a tile, named as in the programmer's guide but for `c`, which has what the sums are off by, too; [lanes].
struct LaneConstants {
  const int32_t *c, *m, *n, *s, *t, *m_below;
  const int64_t *b, *b_below;
};

// Codes of some pixels in words of 16 lanes, the low and the high four bits of each: [lanes / 16][pixel]. `high` null: codes
// have four bits.
template <typename Word>
struct PixelWords {
  Word *low, *high;
};

// a = acc + C modulo 2^24, signed;  code = clamp((a * M + skip * N + B) >> S, 0, 15 or 255 as `codes` holds), with M' and B'
// where a < T if `leaky`.
struct RequantizeArgs {
  const int32_t* acc;               // [pixel][lanes]
  PixelWords<const uint64_t> skip;  // `low` null: none
  size_t pixels;
  size_t lanes;  // a multiple of kLaneBlock
  LaneConstants constants;
  bool leaky;
  PixelWords<uint64_t> codes;
};

// All noexcept and without allocation.
struct ConvKernels {
  const char* name;
  bool (*supported)() noexcept;
  void (*unpack)(const UnpackArgs&) noexcept;
  void (*count_negative)(const NegativeArgs&) noexcept;
  void (*accumulate)(const AccumulateArgs&) noexcept;
  // For tiles of which lane l has weights for channel l % 16 only: [steps / 4, rounded up][lanes][4], steps in fours, zeros
  // beyond the last.
  void (*accumulate_diagonal)(const AccumulateArgs&) noexcept;
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
