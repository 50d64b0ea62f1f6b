// NEON kernels for ARMv7 (Cortex-A9): vmlal.s8, eight products an instruction added up in 16 bits for as many steps as the
// operands' bounds allow, and vmlal.s16 into 32 bits where codes have all eight bits.
// Only intrinsics and plain structs here: an inline function shared with other files would carry NEON code into them.
// Loops count in `int`: 64-bit counters cost two registers and two instructions each.
#include <arm_neon.h>

#include "backends/cpu/kernels/kernels_arm.h"

namespace msq::cpu {
namespace {

// Of the 16 vector registers 12 are accumulators, for 3 rows of 8 columns; so a block of 16 columns is two halves.
constexpr int kGemmRows = 3;
constexpr int kHalf = static_cast<int>(kColumnBlock) / 2;
constexpr int kGroupBytes = static_cast<int>(kColumnBlock * kDepthGroup);
constexpr int kMaxSigned8 = 127, kMaxSigned16 = 32767;

// Four bytes, as often as they fit.
int8x8_t LoadFour(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpret_s8_u32(vdup_n_u32(four));
}

// The sums of four columns from two registers of 16-bit sums, four depths a column.
int32x4_t FoldDepths(int16x8_t columns01, int16x8_t columns23) {
  const int32x4_t pairs01 = vpaddlq_s16(columns01), pairs23 = vpaddlq_s16(columns23);
  return vcombine_s32(vpadd_s32(vget_low_s32(pairs01), vget_high_s32(pairs01)),
                      vpadd_s32(vget_low_s32(pairs23), vget_high_s32(pairs23)));
}

// acc[r][c] = (first ? 0 : acc[r][c]) + the products of `groups` depth groups, whose sums fit 16 bits; 8 columns.
template <int kRows>
void AccumulateNarrow(const uint8_t* rows, int row_stride, const int8_t* w, int groups, bool first,
                      int32_t* out) noexcept {
  int16x8_t acc[kRows][4];
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = vdupq_n_s16(0);
  for (int d = 0; d < groups; ++d, w += kGroupBytes, rows += kDepthGroup) {
    const int8x16_t low = vld1q_s8(w), high = vld1q_s8(w + 16);
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) {
      const int8x8_t codes = LoadFour(rows + r * row_stride);
      acc[r][0] = vmlal_s8(acc[r][0], codes, vget_low_s8(low));
      acc[r][1] = vmlal_s8(acc[r][1], codes, vget_high_s8(low));
      acc[r][2] = vmlal_s8(acc[r][2], codes, vget_low_s8(high));
      acc[r][3] = vmlal_s8(acc[r][3], codes, vget_high_s8(high));
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r, out += kColumnBlock) {
    int32x4_t left = FoldDepths(acc[r][0], acc[r][1]), right = FoldDepths(acc[r][2], acc[r][3]);
    if (!first) {
      left = vaddq_s32(left, vld1q_s32(out));
      right = vaddq_s32(right, vld1q_s32(out + 4));
    }
    vst1q_s32(out, left);
    vst1q_s32(out + 4, right);
  }
}

template <int kRows>
void GemmNarrow(const GemmParams& p) noexcept {
  // A lane takes one product a group, of at most max_code * max_weight. The division is a function call.
  const auto groups = static_cast<int>(p.depth_groups), product = static_cast<int>(p.max_code * p.max_weight);
  const int step = p.depth_groups * product <= kMaxSigned16 ? groups : kMaxSigned16 / product;
  const auto stride = static_cast<int>(p.row_stride);
  for (int half = 0; half < 2; ++half) {
    const int8_t* w = p.weights + half * kHalf * kDepthGroup;
    for (int d = 0; d < groups; d += step) {
      AccumulateNarrow<kRows>(p.rows + d * kDepthGroup, stride, w + d * kGroupBytes,
                              step < groups - d ? step : groups - d, d == 0, p.acc + half * kHalf);
    }
  }
}

// Adds the products of one depth of a group for 8 columns.
template <int kRows, int kDepth>
void AddDepth(int32x4_t (&acc)[kRows][2], const int16x4_t (&codes)[kRows], int8x8_t weights) {
  const int16x8_t wide = vmovl_s8(weights);
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = vmlal_lane_s16(acc[r][0], vget_low_s16(wide), codes[r], kDepth);
    acc[r][1] = vmlal_lane_s16(acc[r][1], vget_high_s16(wide), codes[r], kDepth);
  }
}

template <int kRows>
void GemmWide(const GemmParams& p) noexcept {
  const auto groups = static_cast<int>(p.depth_groups), stride = static_cast<int>(p.row_stride);
  for (int half = 0; half < 2; ++half) {
    const int8_t* w = p.weights + half * kHalf * kDepthGroup;
    const uint8_t* rows = p.rows;
    int32x4_t acc[kRows][2];
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = vdupq_n_s32(0);
    for (int d = 0; d < groups; ++d, w += kGroupBytes, rows += kDepthGroup) {
      const int8x8x4_t depths = vld4_s8(w);
      int16x4_t codes[kRows];
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r) {
        const uint8x8_t four = vreinterpret_u8_s8(LoadFour(rows + r * stride));
        codes[r] = vreinterpret_s16_u16(vget_low_u16(vmovl_u8(four)));
      }
      AddDepth<kRows, 0>(acc, codes, depths.val[0]);
      AddDepth<kRows, 1>(acc, codes, depths.val[1]);
      AddDepth<kRows, 2>(acc, codes, depths.val[2]);
      AddDepth<kRows, 3>(acc, codes, depths.val[3]);
    }
    int32_t* out = p.acc + half * kHalf;
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r, out += kColumnBlock) {
      vst1q_s32(out, acc[r][0]);
      vst1q_s32(out + 4, acc[r][1]);
    }
  }
}

constexpr void (*kNarrowTiles[kGemmRows])(const GemmParams&) noexcept = {GemmNarrow<1>, GemmNarrow<2>, GemmNarrow<3>};
constexpr void (*kWideTiles[kGemmRows])(const GemmParams&) noexcept = {GemmWide<1>, GemmWide<2>, GemmWide<3>};

void gemm_u8s8_wide_neon(const GemmParams& p) noexcept {
  kWideTiles[p.row_count - 1](p);
}
// Codes of more than seven bits are none for a signed product. A product of the others fits 16 bits, two of them do, too.
void gemm_u8s8_neon(const GemmParams& p) noexcept {
  (p.max_code <= kMaxSigned8 ? kNarrowTiles : kWideTiles)[p.row_count - 1](p);
}

void depthwise_u8s8_neon(const WindowParams& p) noexcept {
  const auto padded = static_cast<int>(RoundUp(p.channels, kColumnBlock));
  const auto tap_count = static_cast<int>(p.tap_count), pixel_count = static_cast<int>(p.pixel_count);
  for (int i = 0; i < pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * tap_count;
    for (int c = 0; c < padded; c += static_cast<int>(kColumnBlock)) {
      int32_t* out = p.acc + i * padded + c;
      int32x4_t acc[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) acc[j] = vld1q_s32(out + 4 * j);
      const int8_t* w = p.weights + c;
      for (int t = 0; t < tap_count; ++t, w += padded) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
          const int16x8_t codes = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(taps[t] + c + 8 * j)));
          const int16x8_t weights = vmovl_s8(vld1_s8(w + 8 * j));
          acc[2 * j] = vmlal_s16(acc[2 * j], vget_low_s16(codes), vget_low_s16(weights));
          acc[2 * j + 1] = vmlal_s16(acc[2 * j + 1], vget_high_s16(codes), vget_high_s16(weights));
        }
      }
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) vst1q_s32(out + 4 * j, acc[j]);
    }
  }
}

void window_max_u8_neon(const WindowParams& p) noexcept {
  const auto channels = static_cast<int>(p.channels), tap_count = static_cast<int>(p.tap_count);
  const auto pixel_count = static_cast<int>(p.pixel_count);
  for (int i = 0; i < pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * tap_count;
    for (int c = 0; c < channels; c += 16) {
      uint8_t* out = p.out + i * static_cast<int>(p.out_stride) + c;
      const auto columns = static_cast<unsigned>(channels - c < 16 ? channels - c : 16);
      alignas(16) uint8_t edge[16] = {};
      __builtin_memcpy(edge, out, columns);
      uint8x16_t high = vld1q_u8(edge);
      for (int t = 0; t < tap_count; ++t) high = vmaxq_u8(high, vld1q_u8(taps[t] + c));
      vst1q_u8(edge, high);
      __builtin_memcpy(out, edge, columns);
    }
  }
}

void window_sum_u8_neon(const WindowParams& p) noexcept {
  constexpr int kMostIn16Bits = 257;  // 257 * 255 = 65535
  const auto padded = static_cast<int>(RoundUp(p.channels, kColumnBlock));
  const auto tap_count = static_cast<int>(p.tap_count), pixel_count = static_cast<int>(p.pixel_count);
  for (int i = 0; i < pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * tap_count;
    for (int c = 0; c < padded; c += 8) {
      int32_t* out = p.acc + i * padded + c;
      uint32x4_t low = vreinterpretq_u32_s32(vld1q_s32(out)), high = vreinterpretq_u32_s32(vld1q_s32(out + 4));
      for (int t = 0; t < tap_count;) {
        const int end = tap_count - t < kMostIn16Bits ? tap_count : t + kMostIn16Bits;
        uint16x8_t sum = vdupq_n_u16(0);
        for (; t < end; ++t) sum = vaddw_u8(sum, vld1_u8(taps[t] + c));
        low = vaddw_u16(low, vget_low_u16(sum));
        high = vaddw_u16(high, vget_high_u16(sum));
      }
      vst1q_s32(out, vreinterpretq_s32_u32(low));
      vst1q_s32(out + 4, vreinterpretq_s32_u32(high));
    }
  }
}

int32x4_t LoadLanes(const int32_t* p) {
  return vld1q_s32(p);
}
int32x4_t LoadLanes(const uint8_t* p) {
  const uint16x8_t wide = vmovl_u8(vreinterpret_u8_s8(LoadFour(p)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)));
}

// Constants that fit 32 bits and stand in 64.
int32x4_t LoadNarrowed(const int64_t* p) {
  return vcombine_s32(vmovn_s64(vld1q_s64(p)), vmovn_s64(vld1q_s64(p + 2)));
}

// The constants of four columns; pairs of 64-bit lanes are [0] and [1].
template <bool kSkip, bool kLeaky>
struct FourColumns {
  FourColumns(const RequantizeConstants& k, int64_t i)
      : multipliers(LoadNarrowed(k.multipliers + i)), skip_multipliers(), thresholds(), below() {
    for (int j = 0; j < 2; ++j) {
      addends[j] = vld1q_s64(k.addends + i + 2 * j);
      left_shifts[j] = vsubq_s64(vdupq_n_s64(0), vld1q_s64(k.shifts + i + 2 * j));
      if constexpr (kLeaky) addends_below[j] = vld1q_s64(k.negative_addends + i + 2 * j);
    }
    if constexpr (kSkip) skip_multipliers = LoadNarrowed(k.skip_multipliers + i);
    if constexpr (kLeaky) {
      thresholds = LoadNarrowed(k.thresholds + i);
      below = LoadNarrowed(k.negative_multipliers + i);
    }
  }

  int32x4_t multipliers;
  int32x4_t skip_multipliers;
  int32x4_t thresholds;
  int32x4_t below;
  int64x2_t addends[2], left_shifts[2], addends_below[2];
};

// N10 of two columns: a shift to the left by a negative count is one to the right, floor included. What is negative becomes
// 0 and what passes 32 bits their maximum on the way to 32 bits.
uint32x2_t ShiftPair(int64x2_t sum, int64x2_t left_shift) {
  return vqmovun_s64(vshlq_s64(sum, left_shift));
}

// N10 to N12.
template <bool kSkip, bool kLeaky>
uint32x4_t RequantizeLanes(int32x4_t acc, const uint8_t* skip, const FourColumns<kSkip, kLeaky>& k,
                           uint32x4_t max_codes) {
  int32x4_t multipliers = k.multipliers;
  int64x2_t low = k.addends[0], high = k.addends[1];
  if constexpr (kLeaky) {
    const uint32x4_t below = vcltq_s32(acc, k.thresholds);
    const int32x4_t lanes = vreinterpretq_s32_u32(below);
    multipliers = vbslq_s32(below, k.below, multipliers);
    low = vbslq_s64(vreinterpretq_u64_s64(vmovl_s32(vget_low_s32(lanes))), k.addends_below[0], low);
    high = vbslq_s64(vreinterpretq_u64_s64(vmovl_s32(vget_high_s32(lanes))), k.addends_below[1], high);
  }
  low = vmlal_s32(low, vget_low_s32(acc), vget_low_s32(multipliers));
  high = vmlal_s32(high, vget_high_s32(acc), vget_high_s32(multipliers));
  if constexpr (kSkip) {
    const int32x4_t codes = LoadLanes(skip);
    low = vmlal_s32(low, vget_low_s32(codes), vget_low_s32(k.skip_multipliers));
    high = vmlal_s32(high, vget_high_s32(codes), vget_high_s32(k.skip_multipliers));
  }
  const uint32x4_t shifted = vcombine_u32(ShiftPair(low, k.left_shifts[0]), ShiftPair(high, k.left_shifts[1]));
  return vminq_u32(shifted, max_codes);
}

// Four columns of all rows, so that their constants are loaded once.
template <bool kSkip, bool kLeaky, typename In>
void RequantizeRows(const RequantizeParams& p, const In* in) noexcept {
  const auto columns = static_cast<int>(p.columns), rows = static_cast<int>(p.row_count);
  const auto in_stride = static_cast<int>(p.in_stride), out_stride = static_cast<int>(p.out_stride);
  const auto skip_stride = static_cast<int>(p.skip_stride), step = static_cast<int>(p.constant_step);
  constexpr auto kBlock = static_cast<int>(kColumnBlock);
  const uint32x4_t max_codes = vdupq_n_u32(static_cast<uint32_t>(p.max_code));
  for (int c = 0; c < columns; c += 4) {
    const FourColumns<kSkip, kLeaky> constants(p.constants, c / kBlock * step + c % kBlock);
    const auto count = static_cast<unsigned>(columns - c < 4 ? columns - c : 4);
    const In* from = in + c;
    const uint8_t* skip = kSkip ? p.skip + c : nullptr;
    uint8_t* out = p.out + c;
    for (int r = 0; r < rows; ++r, from += in_stride, out += out_stride) {
      const uint16x4_t codes = vmovn_u32(RequantizeLanes<kSkip, kLeaky>(LoadLanes(from), skip, constants, max_codes));
      const uint32x2_t bytes = vreinterpret_u32_u8(vmovn_u16(vcombine_u16(codes, codes)));
      const uint32_t four = vget_lane_u32(bytes, 0);
      if (count == 4) {
        __builtin_memcpy(out, &four, 4);
      } else {
        __builtin_memcpy(out, &four, count);
      }
      if constexpr (kSkip) skip += skip_stride;
    }
  }
}

template <typename In>
void Requantize(const RequantizeParams& p, const In* in) noexcept {
  if (p.constants.thresholds != nullptr) return RequantizeRows<false, true>(p, in);
  if (p.constants.skip_multipliers != nullptr) return RequantizeRows<true, false>(p, in);
  RequantizeRows<false, false>(p, in);
}

void requantize_s32_neon(const RequantizeParams& p) noexcept {
  Requantize(p, p.acc);
}
void requantize_u8_neon(const RequantizeParams& p) noexcept {
  Requantize(p, p.codes);
}

}  // namespace

const KernelTable kNeonKernels = {
    .name = "neon",
    .supported = HasNeon,
    .gemm_rows = kGemmRows,
    .gemm_blocks = 1,
    .gemm = gemm_u8s8_neon,
    .gemm_wide = gemm_u8s8_wide_neon,
    .depthwise = depthwise_u8s8_neon,
    .window_max = window_max_u8_neon,
    .window_sum = window_sum_u8_neon,
    .requantize = requantize_s32_neon,
    .requantize_codes = requantize_u8_neon,
};

}  // namespace msq::cpu
