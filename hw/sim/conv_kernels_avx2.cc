// 8 lanes a register: sums of pairs of products over a word fit 16 bits (4 * 2 * 255 * 8), which are added up in 32.
#include <immintrin.h>

#include <cstring>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/negative_counts.h"
#include "hw/sim/nibbles.h"
#include "hw/sim/weight_codes.h"

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

template <typename Number>
__m256i Load(const Number* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
template <typename Number>
void Store(Number* to, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

__m256i TableOf(const WeightCodes& codes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes.data())));
}

// All ones in the lanes whose bit is set.
__m256i MaskOf(uint64_t bits) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits & 255)), each), each);
}

// The low 16 bits of each beat as four codes in its low 32 bits.
__m256i Spread(__m256i beats) {
  const __m256i low = _mm256_and_si256(beats, _mm256_set1_epi64x(0xffff));
  const __m256i bytes = _mm256_and_si256(_mm256_or_si256(low, _mm256_slli_epi64(low, 8)), _mm256_set1_epi64x(0xff00ff));
  return _mm256_and_si256(_mm256_or_si256(bytes, _mm256_slli_epi64(bytes, 4)), _mm256_set1_epi64x(0x0f0f0f0f));
}

void Unpack(const UnpackArgs& args) noexcept {
  const __m256i sp2 = TableOf(kSp2Codes), twos_complement = TableOf(kTwosComplementCodes);
  const size_t all = LanesOfBlocks(args.lanes);
  for (size_t row = 0; row < args.rows; ++row) {
    for (size_t lane = 0; lane < args.lanes; lane += 8) {
      const uint64_t* beats = args.beats + row * args.row_beats + lane;
      __m256i low = Load(beats), high = Load(beats + 4);
      const __m256i is_sp2 = MaskOf(args.sp2 >> lane);
      for (size_t four = 0; four < 4; ++four) {
        const __m256i codes =
            _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(Spread(low)),
                                                                           _mm256_castsi256_ps(Spread(high)), 0x88)),
                                     0xd8);
        Store(args.weights + row * kChannels * all + 4 * (four * all + lane),
              _mm256_blendv_epi8(_mm256_shuffle_epi8(twos_complement, codes), _mm256_shuffle_epi8(sp2, codes), is_sp2));
        low = _mm256_srli_epi64(low, 16);
        high = _mm256_srli_epi64(high, 16);
      }
    }
  }
}

void CountNegative(const NegativeArgs& args) noexcept {
  CountNegativeRows(args);
}

// What is in the accumulators of 8 lanes before the first step.
__m256i Begin(const AccumulateArgs& args, const int32_t* acc) {
  if (args.is_first) return _mm256_setzero_si256();
  return _mm256_sll_epi32(Load(acc), _mm_cvtsi32_si128(args.shift));
}

// 16 lanes of some pixels.
template <size_t kPixels>
void AccumulateBlock(const AccumulateArgs& args, size_t pixel, size_t block) {
  const __m256i ones = _mm256_set1_epi16(1);
  int32_t* sums = args.acc + pixel * args.lanes + kLaneBlock * block;
  __m256i acc[kPixels][2];
  for (size_t p = 0; p < kPixels; ++p) {
    for (size_t h = 0; h < 2; ++h) acc[p][h] = Begin(args, sums + p * args.lanes + 8 * h);
  }
  const int8_t* w = args.weights + 4 * kLaneBlock * block;
  for (size_t step = 0; step < args.steps; ++step) {
    const uint8_t* word = args.windows + static_cast<ptrdiff_t>(pixel) * args.stride + args.offsets[step];
    __m256i pairs[kPixels][2] = {};
    for (size_t four = 0; four < 4; ++four, w += 4 * args.lanes) {
      for (size_t p = 0; p < kPixels; ++p) {
        const __m256i codes = _mm256_set1_epi32(Four(word + static_cast<ptrdiff_t>(p) * args.stride + 4 * four));
        for (size_t h = 0; h < 2; ++h)
          pairs[p][h] = _mm256_add_epi16(pairs[p][h], _mm256_maddubs_epi16(codes, Load(w + 32 * h)));
      }
    }
    for (size_t p = 0; p < kPixels; ++p) {
      for (size_t h = 0; h < 2; ++h) acc[p][h] = _mm256_add_epi32(acc[p][h], _mm256_madd_epi16(pairs[p][h], ones));
    }
  }
  for (size_t p = 0; p < kPixels; ++p) {
    for (size_t h = 0; h < 2; ++h) Store(sums + p * args.lanes + 8 * h, acc[p][h]);
  }
}

void Accumulate(const AccumulateArgs& args) noexcept {
  for (size_t block = 0; block < args.lanes / kLaneBlock; ++block) {
    size_t pixel = 0;
    for (; pixel + 2 <= args.pixels; pixel += 2) AccumulateBlock<2>(args, pixel, block);
    if (pixel < args.pixels) AccumulateBlock<1>(args, pixel, block);
  }
}

// Four words of 16 codes: of each channel the four codes beside each other, channels 0-7 and 8-15.
struct ByChannel {
  ByChannel(const uint8_t* window, const ptrdiff_t* offsets) {
    const auto word = [=](size_t i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(window + offsets[i])); };
    const __m128i a = _mm_unpacklo_epi8(word(0), word(1)), b = _mm_unpacklo_epi8(word(2), word(3));
    const __m128i c = _mm_unpackhi_epi8(word(0), word(1)), d = _mm_unpackhi_epi8(word(2), word(3));
    halves[0] = _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b));
    halves[1] = _mm256_set_m128i(_mm_unpackhi_epi16(c, d), _mm_unpacklo_epi16(c, d));
  }
  __m256i halves[2];
};

void AccumulateDiagonal(const AccumulateArgs& args) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    int32_t* sums = args.acc + pixel * args.lanes;
    for (size_t lane = 0; lane < args.lanes; lane += 8) Store(sums + lane, Begin(args, sums + lane));
    const int8_t* w = args.weights;
    for (size_t step = 0; step < args.steps; step += 4, w += 4 * args.lanes) {
      const ByChannel codes(args.windows + static_cast<ptrdiff_t>(pixel) * args.stride, args.offsets + step);
      for (size_t lane = 0; lane < args.lanes; lane += 8) {
        const __m256i pairs = _mm256_maddubs_epi16(codes.halves[lane / 8 % 2], Load(w + 4 * lane));
        Store(sums + lane, _mm256_add_epi32(Load(sums + lane), _mm256_madd_epi16(pairs, ones)));
      }
    }
  }
}

__m256i Wide(const int32_t* four) {
  return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(four)));
}

// Shifts right, rounding down. There is no such instruction for 64 bits: the sum, of which 49 bits are used, is made
// positive for the shift.
__m256i ShiftDown(__m256i sum, __m256i by) {
  const __m256i offset = _mm256_set1_epi64x(int64_t{1} << 62);
  return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(sum, offset), by), _mm256_srlv_epi64(offset, by));
}

// Four lanes of a pixel, in 64 bits.
int Codes(const RequantizeArgs& args, size_t pixel, size_t lane, const uint8_t* skip) {
  const LaneConstants& k = args.constants;
  const __m256i zero = _mm256_setzero_si256(), max = _mm256_set1_epi64x(args.codes.high == nullptr ? 15 : 255);
  const size_t at = pixel * args.lanes + lane;
  const auto load = [](const int32_t* four) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(four)); };
  const __m128i sum = _mm_slli_epi32(_mm_add_epi32(load(args.acc + at), load(k.c + lane)), 8);
  const __m256i acc = _mm256_cvtepi32_epi64(_mm_srai_epi32(sum, 8));
  __m256i m = Wide(k.m + lane), b = Load(k.b + lane);
  if (args.leaky) {
    const __m256i below = _mm256_cmpgt_epi64(Wide(k.t + lane), acc);
    m = _mm256_blendv_epi8(m, Wide(k.m_below + lane), below);
    b = _mm256_blendv_epi8(b, Load(k.b_below + lane), below);
  }
  __m256i total = _mm256_add_epi64(_mm256_mul_epi32(acc, m), b);
  if (args.skip.low != nullptr) {
    const __m256i codes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(Four(skip)));
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
  return low | high << 16;
}

void Requantize(const RequantizeArgs& args) noexcept {
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    for (size_t first = 0; first < args.lanes; first += kLaneBlock) {
      const size_t word = first / kLaneBlock * args.pixels + pixel;
      uint8_t codes[kLaneBlock];
      if (args.skip.low != nullptr) SpreadWords(args.skip, word, codes);
      for (size_t i = 0; i < kLaneBlock; i += 4) {
        const int four = Codes(args, pixel, first + i, codes + i);
        std::memcpy(codes + i, &four, sizeof(four));
      }
      PackWords(codes, word, args.codes);
    }
  }
}

}  // namespace

const ConvKernels kAvx2ConvKernels = {"avx2",     Supported,          Unpack,    CountNegative,
                                      Accumulate, AccumulateDiagonal, Requantize};

}  // namespace msq::hw
