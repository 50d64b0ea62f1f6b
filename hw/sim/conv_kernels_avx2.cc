// 8 lanes a register: products of pairs fit 16 bits (2 * 15 * 8), fours are added up in 32.
#include <immintrin.h>

#include <cstring>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_kernels_loops.h"

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

void Requantize(const RequantizeArgs& args) noexcept {
  RequantizeLanes(args);
}

}  // namespace

const ConvKernels kAvx2ConvKernels = {"avx2", Supported, Accumulate, Requantize};

}  // namespace msq::hw
