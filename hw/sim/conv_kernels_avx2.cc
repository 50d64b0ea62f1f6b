// 8 lanes a register: products of pairs fit 16 bits (2 * 15 * 8), fours are added up in 32.
#include <immintrin.h>

#include <cstring>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {
namespace {

bool Supported() noexcept {
  return __builtin_cpu_supports("avx2") != 0;
}

int Four(const uint8_t* codes) {
  int four;
  std::memcpy(&four, codes, sizeof(four));
  return four;
}

// 16 lanes of one pixel.
void AccumulateBlock(const AccumulateArgs& args, size_t pixel, size_t block) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
  const int8_t* w = args.weights + 4 * kLaneBlock * block;
  for (size_t step = 0; step < args.steps; ++step) {
    const uint8_t* word = args.words[pixel * args.steps + step];
    for (int four = 0; four < 4; ++four, w += 4 * args.lanes) {
      const __m256i codes = _mm256_set1_epi32(Four(word + 4 * four));
      const auto products = [&](const int8_t* from) {
        const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights), ones);
      };
      low = _mm256_add_epi32(low, products(w));
      high = _mm256_add_epi32(high, products(w + 32));
    }
  }
  int32_t* acc = args.acc + pixel * args.lanes + kLaneBlock * block;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc), low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + 8), high);
}

void Accumulate(const AccumulateArgs& args) noexcept {
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    for (size_t block = 0; block < args.lanes / kLaneBlock; ++block) AccumulateBlock(args, pixel, block);
  }
}

__m256i Wide(const int32_t* four) {
  return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(four)));
}
__m256i Load(const int64_t* four) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(four));
}

// Shifts right, rounding down. There is no such instruction for 64 bits: the sum, of which 49 bits are used, is made
// positive for the shift.
__m256i ShiftDown(__m256i sum, __m256i by) {
  const __m256i offset = _mm256_set1_epi64x(int64_t{1} << 62);
  return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(sum, offset), by), _mm256_srlv_epi64(offset, by));
}

// Four lanes at a time, in 64 bits.
void Requantize(const RequantizeArgs& args) noexcept {
  const LaneConstants& k = args.constants;
  const __m256i zero = _mm256_setzero_si256(), max = _mm256_set1_epi64x(args.max);
  for (size_t lane = 0; lane < args.lanes; lane += 4) {
    const __m256i acc = Wide(args.acc + lane);
    __m256i m = Wide(k.m + lane), b = Load(k.b + lane);
    if (args.leaky) {
      const __m256i below = _mm256_cmpgt_epi64(Wide(k.t + lane), acc);
      m = _mm256_blendv_epi8(m, Wide(k.m_below + lane), below);
      b = _mm256_blendv_epi8(b, Load(k.b_below + lane), below);
    }
    __m256i total = _mm256_add_epi64(_mm256_mul_epi32(acc, m), b);
    if (args.skip != nullptr) {
      const __m256i codes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(Four(args.skip + lane)));
      total = _mm256_add_epi64(total, _mm256_mul_epi32(codes, Wide(k.n + lane)));
    }
    total = ShiftDown(total, Wide(k.s + lane));
    total = _mm256_andnot_si256(_mm256_cmpgt_epi64(zero, total), total);
    total = _mm256_blendv_epi8(total, max, _mm256_cmpgt_epi64(total, max));
    const __m256i low_bytes =
        _mm256_shuffle_epi8(total, _mm256_setr_epi8(0, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 8,
                                                    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    const int low = _mm_cvtsi128_si32(_mm256_castsi256_si128(low_bytes));
    const int high = _mm_cvtsi128_si32(_mm256_extracti128_si256(low_bytes, 1));
    const int four = low | high << 16;
    std::memcpy(args.codes + lane, &four, sizeof(four));
  }
}

}  // namespace

const ConvKernels kAvx2ConvKernels = {"avx2", Supported, Accumulate, Requantize};

}  // namespace msq::hw
