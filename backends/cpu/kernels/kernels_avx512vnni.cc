// AVX-512 VNNI kernels: one vpdpbusd a lane of four products, 14 rows x 32 columns of accumulators in registers.
// Only intrinsics and plain structs here: an inline function shared with other files would carry AVX-512 code into them.
#include <immintrin.h>

#include "backends/cpu/kernels/kernels_x86.h"

namespace msq::cpu {
namespace {

constexpr int kGemmRows = 14;
constexpr int kGemmBlocks = 2;
static_assert(kGemmRows <= kMaxGemmRows && kGemmBlocks <= kMaxGemmBlocks);

// Fully unrolled, so that every accumulator has a register: an indexed one would be stored at each step.
template <int kRows, int kBlocks>
void GemmTile(const GemmParams& p) noexcept {
  const int64_t stride = p.row_stride, block_bytes = p.depth_groups * 64;
  const int8_t* w = p.weights;
  // One pointer for three rows keeps the addresses in registers too: x86 adds stride * 0, 1 or 2 for free.
  constexpr int kPointers = (kRows + 2) / 3;
  const uint8_t* rows[kPointers];
#pragma GCC unroll 5
  for (int i = 0; i < kPointers; ++i) rows[i] = p.rows + 3 * i * stride;
  __m512i acc[kRows][kBlocks];
#pragma GCC unroll 14
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) acc[r][b] = _mm512_setzero_si512();
  }
  for (int64_t d = 0; d < p.depth_groups; ++d) {
    __m512i weights[kBlocks];
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) weights[b] = _mm512_load_si512(w + b * block_bytes);
#pragma GCC unroll 14
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, rows[r / 3] + (r % 3) * stride, 4);
      const __m512i codes = _mm512_set1_epi32(four);
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) acc[r][b] = _mm512_dpbusd_epi32(acc[r][b], codes, weights[b]);
    }
#pragma GCC unroll 5
    for (int i = 0; i < kPointers; ++i) rows[i] += 4;
    w += 64;
  }
#pragma GCC unroll 14
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) _mm512_store_si512(p.acc + (r * kBlocks + b) * kColumnBlock, acc[r][b]);
  }
}

template <int kBlocks>
constexpr void (*kGemmTiles[kGemmRows])(const GemmParams&) noexcept = {
    GemmTile<1, kBlocks>,  GemmTile<2, kBlocks>,  GemmTile<3, kBlocks>,  GemmTile<4, kBlocks>,  GemmTile<5, kBlocks>,
    GemmTile<6, kBlocks>,  GemmTile<7, kBlocks>,  GemmTile<8, kBlocks>,  GemmTile<9, kBlocks>,  GemmTile<10, kBlocks>,
    GemmTile<11, kBlocks>, GemmTile<12, kBlocks>, GemmTile<13, kBlocks>, GemmTile<14, kBlocks>,
};

void gemm_u8s8_avx512vnni(const GemmParams& p) noexcept {
  (p.block_count == 1 ? kGemmTiles<1> : kGemmTiles<2>)[p.row_count - 1](p);
}

__m512i LoadCodes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

void depthwise_u8s8_avx512vnni(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < p.channels; c += kColumnBlock) {
      int32_t* out = p.acc + i * padded + c;
      __m512i acc = _mm512_loadu_si512(out);
      const int8_t* w = p.weights + c;
      for (int64_t t = 0; t < p.tap_count; ++t, w += padded) {
        const __m512i weights = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
        // Codes and weights fit 16 bits and the upper halves of the codes are zero: one vpdpwssd is one product a lane.
        acc = _mm512_dpwssd_epi32(acc, LoadCodes(taps[t] + c), weights);
      }
      _mm512_storeu_si512(out, acc);
    }
  }
}

__mmask16 Tail(int64_t columns) {
  return columns >= kColumnBlock ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << columns) - 1);
}

void window_max_u8_avx512vnni(const WindowParams& p) noexcept {
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < p.channels; c += kColumnBlock) {
      const __mmask16 tail = Tail(p.channels - c);
      uint8_t* out = p.out + i * p.out_stride + c;
      __m128i high = _mm_maskz_loadu_epi8(tail, out);
      for (int64_t t = 0; t < p.tap_count; ++t) {
        high = _mm_max_epu8(high, _mm_loadu_si128(reinterpret_cast<const __m128i*>(taps[t] + c)));
      }
      _mm_mask_storeu_epi8(out, tail, high);
    }
  }
}

void window_sum_u8_avx512vnni(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < p.channels; c += kColumnBlock) {
      int32_t* out = p.acc + i * padded + c;
      __m512i acc = _mm512_loadu_si512(out);
      for (int64_t t = 0; t < p.tap_count; ++t) acc = _mm512_add_epi32(acc, LoadCodes(taps[t] + c));
      _mm512_storeu_si512(out, acc);
    }
  }
}

// Eight columns' constants.
struct Lanes {
  __m512i multiplier, addend, shift, skip, threshold, negative_multiplier, negative_addend;
};

template <bool kSkip, bool kLeaky>
Lanes LoadLanes(const RequantizeConstants& k, int64_t i) {
  Lanes lanes = {};
  lanes.multiplier = _mm512_loadu_si512(k.multipliers + i);
  lanes.addend = _mm512_loadu_si512(k.addends + i);
  lanes.shift = _mm512_loadu_si512(k.shifts + i);
  if constexpr (kSkip) lanes.skip = _mm512_loadu_si512(k.skip_multipliers + i);
  if constexpr (kLeaky) {
    lanes.threshold = _mm512_loadu_si512(k.thresholds + i);
    lanes.negative_multiplier = _mm512_loadu_si512(k.negative_multipliers + i);
    lanes.negative_addend = _mm512_loadu_si512(k.negative_addends + i);
  }
  return lanes;
}

// N10 to N12 on eight columns; the codes in the low eight bytes.
template <bool kSkip, bool kLeaky>
__m128i RequantizeLanes(__m512i acc, const Lanes& k, const uint8_t* skip, __m512i max_code) {
  __m512i multiplier = k.multiplier, addend = k.addend;
  if constexpr (kLeaky) {
    const __mmask8 negative = _mm512_cmplt_epi64_mask(acc, k.threshold);
    multiplier = _mm512_mask_mov_epi64(multiplier, negative, k.negative_multiplier);
    addend = _mm512_mask_mov_epi64(addend, negative, k.negative_addend);
  }
  __m512i sum = _mm512_add_epi64(_mm512_mul_epi32(acc, multiplier), addend);
  if constexpr (kSkip) {
    const __m512i codes = _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(skip)));
    sum = _mm512_add_epi64(sum, _mm512_mul_epi32(codes, k.skip));
  }
  const __m512i shifted = _mm512_srav_epi64(sum, k.shift);
  const __m512i clamped = _mm512_min_epi64(_mm512_max_epi64(shifted, _mm512_setzero_si512()), max_code);
  return _mm512_cvtepi64_epi8(clamped);
}

__m512i LoadWide(const int32_t* p) {
  return _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
__m512i LoadWide(const uint8_t* p) {
  return _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

template <bool kSkip, bool kLeaky, typename In>
void RequantizeRows(const RequantizeParams& p, const In* in) noexcept {
  const __m512i max_code = _mm512_set1_epi64(p.max_code);
  for (int64_t c = 0, i = 0; c < p.columns; c += kColumnBlock, i += p.constant_step) {
    const Lanes low = LoadLanes<kSkip, kLeaky>(p.constants, i), high = LoadLanes<kSkip, kLeaky>(p.constants, i + 8);
    const __mmask16 tail = Tail(p.columns - c);
    const uint8_t* skip = kSkip ? p.skip + c : nullptr;
    for (int64_t r = 0; r < p.row_count; ++r) {
      const In* row = in + r * p.in_stride + c;
      const uint8_t* skip_row = kSkip ? skip + r * p.skip_stride : nullptr;
      const __m128i a = RequantizeLanes<kSkip, kLeaky>(LoadWide(row), low, skip_row, max_code);
      const __m128i b =
          RequantizeLanes<kSkip, kLeaky>(LoadWide(row + 8), high, kSkip ? skip_row + 8 : nullptr, max_code);
      _mm_mask_storeu_epi8(p.out + r * p.out_stride + c, tail, _mm_unpacklo_epi64(a, b));
    }
  }
}

template <typename In>
void Requantize(const RequantizeParams& p, const In* in) noexcept {
  if (p.constants.thresholds != nullptr) return RequantizeRows<false, true>(p, in);
  if (p.constants.skip_multipliers != nullptr) return RequantizeRows<true, false>(p, in);
  RequantizeRows<false, false>(p, in);
}

void requantize_s32_avx512vnni(const RequantizeParams& p) noexcept {
  Requantize(p, p.acc);
}
void requantize_u8_avx512vnni(const RequantizeParams& p) noexcept {
  Requantize(p, p.codes);
}

}  // namespace

const KernelTable kAvx512VnniKernels = {
    .name = "avx512vnni",
    .supported = HasAvx512Vnni,
    .gemm_rows = kGemmRows,
    .gemm_blocks = kGemmBlocks,
    .gemm = gemm_u8s8_avx512vnni,
    .gemm_wide = gemm_u8s8_avx512vnni,
    .depthwise = depthwise_u8s8_avx512vnni,
    .window_max = window_max_u8_avx512vnni,
    .window_sum = window_sum_u8_avx512vnni,
    .requantize = requantize_s32_avx512vnni,
    .requantize_codes = requantize_u8_avx512vnni,
};

}  // namespace msq::cpu
