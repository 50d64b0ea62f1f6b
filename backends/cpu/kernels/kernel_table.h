// The table of kernels: one row an instruction set, chosen once by name. A kernel takes one plain struct, allocates nothing
// and throws nothing. Rules for a new row: kernels/README.md.
#pragma once

#include <cstdint>
#include <span>

namespace msq::cpu {

// Columns (output channels) come in blocks of this many: packed weights, accumulators and constants are padded to it.
inline constexpr int64_t kColumnBlock = 16;
// Dot products advance by this many bytes of a row: what one 32-bit lane of a dot-product instruction takes.
inline constexpr int64_t kDepthGroup = 4;
// A kernel may read this many bytes past the end of an input row. It never writes past an output.
inline constexpr int64_t kReadSlack = 64;

// Always inlined: a copy compiled for one instruction set must not end up serving the others.
[[gnu::always_inline]] constexpr int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// acc[r][c] = sum over d of rows[r][d] * weights[c][d], d < depth_groups * kDepthGroup. Rows may run on past their end into
// whatever follows: weights are zero there.
struct GemmParams {
  const uint8_t* rows;
  int64_t row_stride;     // bytes
  int64_t row_count;      // 1..KernelTable::gemm_rows
  const int8_t* weights;  // [block_count][depth_groups][kColumnBlock][kDepthGroup], 64-byte aligned
  int64_t block_count;    // 1..KernelTable::gemm_blocks
  int64_t depth_groups;   // >= 1
  int32_t* acc;           // [row_count][block_count * kColumnBlock], 64-byte aligned
  int64_t max_code;       // no code that meets a weight other than 0 is larger; and
  int64_t max_weight;     // no weight's magnitude: how many products a kernel may add up in fewer bits
};

// A sliding window whose channels stay apart. taps[p * tap_count + t] points at the `channels` codes under tap t of pixel p.
struct WindowParams {
  const uint8_t* const* taps;
  int64_t pixel_count;
  int64_t tap_count;
  int64_t channels;
  const int8_t* weights;  // depthwise: [tap_count][RoundUp(channels, kColumnBlock)]
  int32_t* acc;           // depthwise, sum: added to; [pixel_count][RoundUp(channels, kColumnBlock)]
  uint8_t* out;           // max: raised to the maximum; [pixel_count] rows of `channels`, out_stride apart
  int64_t out_stride;
};

// Per-column constants of docs/numerics.md N10 to N12, widened to the lanes they are used in.
struct RequantizeConstants {
  const int64_t* multipliers;
  const int64_t* addends;
  const int64_t* shifts;
  const int64_t* skip_multipliers;      // null: no second operand
  const int64_t* thresholds;            // null: not leaky
  const int64_t* negative_multipliers;  // leaky
  const int64_t* negative_addends;      // leaky
};

// out[r][c] = the requantized acc[r][c] (requantize) or codes[r][c] (requantize_codes).
struct RequantizeParams {
  const int32_t* acc;
  const uint8_t* codes;
  int64_t in_stride;  // elements
  int64_t row_count;
  int64_t columns;
  RequantizeConstants constants;  // padded to kColumnBlock
  int64_t constant_step;  // constants to advance by per block: kColumnBlock, or 0 when one block serves all columns
  const uint8_t* skip;    // with skip_multipliers
  int64_t skip_stride;
  uint8_t* out;
  int64_t out_stride;
  int64_t max_code;
};

// One instruction set's kernels.
struct KernelTable {
  const char* name;
  bool (*supported)();  // by this machine
  int64_t gemm_rows;
  int64_t gemm_blocks;
  void (*gemm)(const GemmParams&) noexcept;  // needs |w0| + |w1| <= kNarrowPairLimit / max code, see packed_weights.h
  void (*gemm_wide)(const GemmParams&) noexcept;  // any codes and weights
  void (*depthwise)(const WindowParams&) noexcept;
  void (*window_max)(const WindowParams&) noexcept;
  void (*window_sum)(const WindowParams&) noexcept;
  void (*requantize)(const RequantizeParams&) noexcept;
  void (*requantize_codes)(const RequantizeParams&) noexcept;
};

// The sum of two neighbouring products that `gemm` may rely on to fit 16 bits (AVX2's vpmaddubsw saturates there).
inline constexpr int64_t kNarrowPairLimit = 32767;
inline constexpr int64_t kMaxGemmRows = 14;
inline constexpr int64_t kMaxGemmBlocks = 2;

// Every row that this build has, slowest first.
std::span<const KernelTable* const> Kernels();

extern const KernelTable kScalarKernels;

}  // namespace msq::cpu
