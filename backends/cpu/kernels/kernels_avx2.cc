// AVX2 kernels: vpmaddubsw + vpmaddwd where two neighbouring products fit 16 bits, widening products where they may not.
// Only intrinsics and plain structs here: an inline function shared with other files would carry AVX2 code into them.
#include <immintrin.h>

#include "backends/cpu/kernels/kernels_x86.h"

namespace msq::cpu {
namespace {

constexpr int kGemmRows = 4;

__m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// Four products a 32-bit lane, two at a time in 16 bits: exact while pairs keep to kNarrowPairLimit.
__m256i DotNarrow(__m256i acc, __m256i codes, __m256i weights) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// The same with every operand widened to 16 bits, even bytes apart from odd ones.
__m256i DotWide(__m256i acc, __m256i codes, __m256i weights) {
  const __m256i even_codes = _mm256_and_si256(codes, _mm256_set1_epi16(0xff)), odd_codes = _mm256_srli_epi16(codes, 8);
  const __m256i even_weights = _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8);
  const __m256i odd_weights = _mm256_srai_epi16(weights, 8);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(even_codes, even_weights));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(odd_codes, odd_weights));
}

template <int kRows, bool kWide>
void GemmTile(const GemmParams& p) noexcept {
  const int8_t* w = p.weights;
  const uint8_t* row = p.rows;
  __m256i acc[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (int64_t d = 0; d < p.depth_groups; ++d, w += 64, row += 4) {
    const __m256i low = Load(w), high = Load(w + 32);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, row + r * p.row_stride, 4);
      const __m256i codes = _mm256_set1_epi32(four);
      acc[r][0] = kWide ? DotWide(acc[r][0], codes, low) : DotNarrow(acc[r][0], codes, low);
      acc[r][1] = kWide ? DotWide(acc[r][1], codes, high) : DotNarrow(acc[r][1], codes, high);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.acc + r * kColumnBlock), acc[r][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.acc + r * kColumnBlock + 8), acc[r][1]);
  }
}

template <bool kWide>
constexpr void (*kGemmTiles[kGemmRows])(const GemmParams&) noexcept = {GemmTile<1, kWide>, GemmTile<2, kWide>,
                                                                       GemmTile<3, kWide>, GemmTile<4, kWide>};

void gemm_u8s8_avx2(const GemmParams& p) noexcept {
  kGemmTiles<false>[p.row_count - 1](p);
}
void gemm_u8s8_wide_avx2(const GemmParams& p) noexcept {
  kGemmTiles<true>[p.row_count - 1](p);
}

__m256i LoadCodes(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
__m256i LoadWeights(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

void depthwise_u8s8_avx2(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < padded; c += 8) {
      auto* out = reinterpret_cast<__m256i*>(p.acc + i * padded + c);
      __m256i acc = Load(out);
      const int8_t* w = p.weights + c;
      for (int64_t t = 0; t < p.tap_count; ++t, w += padded) {
        // Both operands fit 16 bits and the upper halves of the codes are zero: one product a lane.
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(LoadCodes(taps[t] + c), LoadWeights(w)));
      }
      _mm256_storeu_si256(out, acc);
    }
  }
}

// Stores the first `columns` (up to 16) bytes.
void StoreCodes(uint8_t* out, __m128i codes, int64_t columns) {
  if (columns >= kColumnBlock) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), codes);
    return;
  }
  alignas(16) uint8_t bytes[kColumnBlock];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), codes);
  for (int64_t i = 0; i < columns; ++i) out[i] = bytes[i];
}

void window_max_u8_avx2(const WindowParams& p) noexcept {
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < p.channels; c += kColumnBlock) {
      const int64_t columns = p.channels - c;
      uint8_t* out = p.out + i * p.out_stride + c;
      alignas(16) uint8_t first[kColumnBlock] = {};
      for (int64_t j = 0; j < kColumnBlock && j < columns; ++j) first[j] = out[j];
      __m128i high = _mm_load_si128(reinterpret_cast<const __m128i*>(first));
      for (int64_t t = 0; t < p.tap_count; ++t) {
        high = _mm_max_epu8(high, _mm_loadu_si128(reinterpret_cast<const __m128i*>(taps[t] + c)));
      }
      StoreCodes(out, high, columns);
    }
  }
}

void window_sum_u8_avx2(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    const uint8_t* const* taps = p.taps + i * p.tap_count;
    for (int64_t c = 0; c < padded; c += 8) {
      auto* out = reinterpret_cast<__m256i*>(p.acc + i * padded + c);
      __m256i acc = Load(out);
      for (int64_t t = 0; t < p.tap_count; ++t) acc = _mm256_add_epi32(acc, LoadCodes(taps[t] + c));
      _mm256_storeu_si256(out, acc);
    }
  }
}

__m256i LoadWide(const int32_t* p) {
  return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
__m256i LoadWide(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
}

// N10 to N12 on the four columns whose constants start at i; the codes in 64-bit lanes.
template <bool kSkip, bool kLeaky>
__m256i RequantizeLanes(__m256i acc, const RequantizeConstants& k, int64_t i, const uint8_t* skip, __m256i max_code) {
  __m256i multiplier = Load(k.multipliers + i), addend = Load(k.addends + i);
  if constexpr (kLeaky) {
    const __m256i negative = _mm256_cmpgt_epi64(Load(k.thresholds + i), acc);
    multiplier = _mm256_blendv_epi8(multiplier, Load(k.negative_multipliers + i), negative);
    addend = _mm256_blendv_epi8(addend, Load(k.negative_addends + i), negative);
  }
  __m256i sum = _mm256_add_epi64(_mm256_mul_epi32(acc, multiplier), addend);
  if constexpr (kSkip) {
    sum = _mm256_add_epi64(sum, _mm256_mul_epi32(LoadWide(skip), Load(k.skip_multipliers + i)));
  }
  // AVX2 has no 64-bit arithmetic shift. A negative sum ends as 0 in any case, so it becomes 0 before a logical shift.
  sum = _mm256_andnot_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), sum), sum);
  const __m256i shifted = _mm256_srlv_epi64(sum, Load(k.shifts + i));
  return _mm256_blendv_epi8(shifted, max_code, _mm256_cmpgt_epi64(shifted, max_code));
}

// Sixteen codes from the 64-bit lanes of four vectors of four.
__m128i PackLanes(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
  const __m256i bytes = _mm256_or_si256(_mm256_or_si256(v0, _mm256_slli_epi64(v1, 8)),
                                        _mm256_or_si256(_mm256_slli_epi64(v2, 16), _mm256_slli_epi64(v3, 24)));
  const __m256i low = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  return _mm_shuffle_epi8(_mm256_castsi256_si128(low),
                          _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
}

template <bool kSkip, bool kLeaky, typename In>
void RequantizeRows(const RequantizeParams& p, const In* in) noexcept {
  const __m256i max_code = _mm256_set1_epi64x(p.max_code);
  for (int64_t c = 0, i = 0; c < p.columns; c += kColumnBlock, i += p.constant_step) {
    for (int64_t r = 0; r < p.row_count; ++r) {
      const In* row = in + r * p.in_stride + c;
      const uint8_t* skip = kSkip ? p.skip + r * p.skip_stride + c : nullptr;
      __m256i codes[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        codes[j] = RequantizeLanes<kSkip, kLeaky>(LoadWide(row + 4 * j), p.constants, i + 4 * j,
                                                  kSkip ? skip + 4 * j : nullptr, max_code);
      }
      StoreCodes(p.out + r * p.out_stride + c, PackLanes(codes[0], codes[1], codes[2], codes[3]), p.columns - c);
    }
  }
}

template <typename In>
void Requantize(const RequantizeParams& p, const In* in) noexcept {
  if (p.constants.thresholds != nullptr) return RequantizeRows<false, true>(p, in);
  if (p.constants.skip_multipliers != nullptr) return RequantizeRows<true, false>(p, in);
  RequantizeRows<false, false>(p, in);
}

void requantize_s32_avx2(const RequantizeParams& p) noexcept {
  Requantize(p, p.acc);
}
void requantize_u8_avx2(const RequantizeParams& p) noexcept {
  Requantize(p, p.codes);
}

}  // namespace

const KernelTable kAvx2Kernels = {
    .name = "avx2",
    .supported = HasAvx2,
    .gemm_rows = kGemmRows,
    .gemm_blocks = 1,
    .gemm = gemm_u8s8_avx2,
    .gemm_wide = gemm_u8s8_wide_avx2,
    .depthwise = depthwise_u8s8_avx2,
    .window_max = window_max_u8_avx2,
    .window_sum = window_sum_u8_avx2,
    .requantize = requantize_s32_avx2,
    .requantize_codes = requantize_u8_avx2,
};

}  // namespace msq::cpu
