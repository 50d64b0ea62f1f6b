// 16 lanes a register; four codes times four weights of each lane in one vpdpbusd.
#include <immintrin.h>

#include <cstring>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {
namespace {

bool Supported() noexcept {
  return __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

int Four(const uint8_t* codes) {
  int four;
  std::memcpy(&four, codes, sizeof(four));
  return four;
}

template <size_t kPixels, size_t kBlocks>
void AccumulateBlocks(const AccumulateArgs& args) {
  __m512i acc[kPixels][kBlocks];
  for (auto& row : acc) {
    for (__m512i& block : row) block = _mm512_setzero_si512();
  }
  const int8_t* w = args.weights;
  for (size_t step = 0; step < args.steps; ++step) {
    for (int four = 0; four < 4; ++four) {
      __m512i codes[kPixels];
      for (size_t p = 0; p < kPixels; ++p)
        codes[p] = _mm512_set1_epi32(Four(args.words[p * args.steps + step] + 4 * four));
      for (size_t b = 0; b < kBlocks; ++b, w += 64) {
        const __m512i weights = _mm512_loadu_si512(w);
        for (size_t p = 0; p < kPixels; ++p) acc[p][b] = _mm512_dpbusd_epi32(acc[p][b], codes[p], weights);
      }
    }
  }
  for (size_t p = 0; p < kPixels; ++p) {
    for (size_t b = 0; b < kBlocks; ++b) _mm512_storeu_si512(args.acc + p * args.lanes + 16 * b, acc[p][b]);
  }
}

template <size_t kPixels>
void AccumulatePixels(const AccumulateArgs& args) {
  switch (args.lanes / kLaneBlock) {
    case 1:
      return AccumulateBlocks<kPixels, 1>(args);
    case 2:
      return AccumulateBlocks<kPixels, 2>(args);
    case 3:
      return AccumulateBlocks<kPixels, 3>(args);
    default:
      return AccumulateBlocks<kPixels, 4>(args);
  }
}

void Accumulate(const AccumulateArgs& args) noexcept {
  switch (args.pixels) {
    case 1:
      return AccumulatePixels<1>(args);
    case 2:
      return AccumulatePixels<2>(args);
    case 3:
      return AccumulatePixels<3>(args);
    default:
      return AccumulatePixels<4>(args);
  }
}

__m512i Wide(const int32_t* eight) {
  return _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(eight)));
}

// Eight lanes at a time, in 64 bits.
void Requantize(const RequantizeArgs& args) noexcept {
  const LaneConstants& k = args.constants;
  const __m512i zero = _mm512_setzero_si512(), max = _mm512_set1_epi64(args.max);
  for (size_t lane = 0; lane < args.lanes; lane += 8) {
    const __m512i acc = Wide(args.acc + lane);
    __m512i m = Wide(k.m + lane), b = _mm512_loadu_si512(k.b + lane);
    if (args.leaky) {
      const __mmask8 below = _mm512_cmplt_epi64_mask(acc, Wide(k.t + lane));
      m = _mm512_mask_mov_epi64(m, below, Wide(k.m_below + lane));
      b = _mm512_mask_mov_epi64(b, below, _mm512_loadu_si512(k.b_below + lane));
    }
    __m512i total = _mm512_add_epi64(_mm512_mul_epi32(acc, m), b);
    if (args.skip != nullptr) {
      const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(args.skip + lane));
      total = _mm512_add_epi64(total, _mm512_mul_epi32(_mm512_cvtepu8_epi64(codes), Wide(k.n + lane)));
    }
    total = _mm512_srav_epi64(total, Wide(k.s + lane));
    total = _mm512_min_epi64(_mm512_max_epi64(total, zero), max);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(args.codes + lane), _mm512_cvtepi64_epi8(total));
  }
}

}  // namespace

const ConvKernels kAvx512VnniConvKernels = {"avx512vnni", Supported, Accumulate, Requantize};

}  // namespace msq::hw
