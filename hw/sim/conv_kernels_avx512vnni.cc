// 16 lanes a register; four codes times four weights of each lane in one vpdpbusd.
#include <immintrin.h>

#include <cstring>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/negative_counts.h"
#include "hw/sim/weight_codes.h"

namespace msq::hw {
namespace {

bool Supported() noexcept {
  return __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

__m512i TableOf(const WeightCodes& codes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes.data())));
}

// Eight beats; only so many are read.
__m512i Beats(const uint64_t* from, size_t left) {
  return _mm512_maskz_loadu_epi64(left >= 8 ? 0xff : 0, from);
}

void Unpack(const UnpackArgs& args) noexcept {
  const __m512i sp2 = TableOf(kSp2Codes), twos_complement = TableOf(kTwosComplementCodes);
  // Of 16 beats the first fours, then the second ones.
  const auto of_fours = [](int first) {
    short index[32];
    for (int i = 0; i < 32; ++i) index[i] = static_cast<short>(i % 16 * 4 + first + i / 16);
    return _mm512_loadu_si512(index);
  };
  const __m512i fours[2] = {of_fours(0), of_fours(2)};
  const size_t all = LanesOfBlocks(args.lanes);
  const uint64_t* beats = args.beats;
  for (int8_t *row = args.weights, *end = row + args.rows * kChannels * all; row < end; row += kChannels * all) {
    for (size_t lane = 0; lane < args.lanes; lane += kLaneBlock) {
      const __m512i low = Beats(beats + lane, args.lanes - lane);
      const __m512i high = Beats(beats + lane + 8, args.lanes - lane - 8);
      const auto is_sp2 = static_cast<__mmask16>(args.sp2 >> lane);
      const auto decode = [&](__m256i codes, size_t four) {
        const __m512i wide = _mm512_cvtepu8_epi16(codes);
        const __m512i each = _mm512_and_si512(_mm512_or_si512(wide, _mm512_slli_epi16(wide, 4)), _mm512_set1_epi8(15));
        const __m512i weights =
            _mm512_mask_mov_epi32(_mm512_shuffle_epi8(twos_complement, each), is_sp2, _mm512_shuffle_epi8(sp2, each));
        _mm512_storeu_si512(row + 4 * (four * all + lane), weights);
      };
      for (size_t two = 0; two < 2; ++two) {
        const __m512i codes = _mm512_permutex2var_epi16(low, fours[two], high);
        decode(_mm512_castsi512_si256(codes), 2 * two);
        decode(_mm512_extracti64x4_epi64(codes, 1), 2 * two + 1);
      }
    }
    beats += args.row_beats;
  }
}

int Four(const uint8_t* codes) {
  int four;
  std::memcpy(&four, codes, sizeof(four));
  return four;
}

void CountNegative(const NegativeArgs& args) noexcept {
  CountNegativeRows(args);
}

// What is in the accumulators of 16 lanes before the first step.
__m512i Begin(const AccumulateArgs& args, const int32_t* acc) {
  if (args.is_first) return _mm512_setzero_si512();
  return _mm512_sll_epi32(_mm512_loadu_si512(acc), _mm_cvtsi32_si128(args.shift));
}

template <size_t kPixels, size_t kBlocks>
void AccumulateBlocks(const AccumulateArgs& args, size_t block) {
  __m512i acc[kPixels][kBlocks];
  int32_t* sums = args.acc + kLaneBlock * block;
#pragma GCC unroll 8
  for (size_t p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (size_t b = 0; b < kBlocks; ++b) acc[p][b] = Begin(args, sums + p * args.lanes + kLaneBlock * b);
  }
  const int8_t* w = args.weights + 4 * kLaneBlock * block;
  for (size_t step = 0; step < args.steps; ++step) {
    const uint8_t* word = args.windows + args.offsets[step];
    for (size_t four = 0; four < kChannels; four += 4, w += 4 * args.lanes) {
      __m512i weights[kBlocks];
#pragma GCC unroll 2
      for (size_t b = 0; b < kBlocks; ++b) weights[b] = _mm512_loadu_si512(w + 4 * kLaneBlock * b);
#pragma GCC unroll 8
      for (size_t p = 0; p < kPixels; ++p) {
        const __m512i codes = _mm512_set1_epi32(Four(word + static_cast<ptrdiff_t>(p) * args.stride + four));
#pragma GCC unroll 2
        for (size_t b = 0; b < kBlocks; ++b) acc[p][b] = _mm512_dpbusd_epi32(acc[p][b], codes, weights[b]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (size_t b = 0; b < kBlocks; ++b) _mm512_storeu_si512(sums + p * args.lanes + kLaneBlock * b, acc[p][b]);
  }
}

template <size_t kBlocks>
void AccumulatePixels(const AccumulateArgs& args, size_t block) {
  static constexpr decltype(&AccumulateBlocks<1, kBlocks>) kOf[kKernelPixels] = {
      AccumulateBlocks<1, kBlocks>, AccumulateBlocks<2, kBlocks>, AccumulateBlocks<3, kBlocks>,
      AccumulateBlocks<4, kBlocks>, AccumulateBlocks<5, kBlocks>, AccumulateBlocks<6, kBlocks>,
      AccumulateBlocks<7, kBlocks>, AccumulateBlocks<8, kBlocks>};
  kOf[args.pixels - 1](args, block);
}

void Accumulate(const AccumulateArgs& args) noexcept {
  const size_t blocks = args.lanes / kLaneBlock;
  for (size_t block = 0; block + 2 <= blocks; block += 2) AccumulatePixels<2>(args, block);
  if (blocks % 2 != 0) AccumulatePixels<1>(args, blocks - 1);
}

// Four words of 16 codes: of each channel the four codes beside each other.
__m512i ByChannel(const uint8_t* window, const ptrdiff_t* offsets) {
  const auto word = [=](size_t i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(window + offsets[i])); };
  __m512i words = _mm512_castsi128_si512(word(0));
  words = _mm512_inserti32x4(words, word(1), 1);
  words = _mm512_inserti32x4(words, word(2), 2);
  words = _mm512_inserti32x4(words, word(3), 3);
  const __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i codes = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(fours, words), codes);
}

template <size_t kBlocks>
void AccumulateDiagonalBlocks(const AccumulateArgs& args, size_t block) {
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    int32_t* sums = args.acc + pixel * args.lanes + kLaneBlock * block;
    __m512i acc[kBlocks];
    for (size_t b = 0; b < kBlocks; ++b) acc[b] = Begin(args, sums + kLaneBlock * b);
    const uint8_t* window = args.windows + static_cast<ptrdiff_t>(pixel) * args.stride;
    const int8_t* w = args.weights + 4 * kLaneBlock * block;
    for (size_t step = 0; step < args.steps; step += 4, w += 4 * args.lanes) {
      const __m512i codes = ByChannel(window, args.offsets + step);
      for (size_t b = 0; b < kBlocks; ++b)
        acc[b] = _mm512_dpbusd_epi32(acc[b], codes, _mm512_loadu_si512(w + 4 * kLaneBlock * b));
    }
    for (size_t b = 0; b < kBlocks; ++b) _mm512_storeu_si512(sums + kLaneBlock * b, acc[b]);
  }
}

void AccumulateDiagonal(const AccumulateArgs& args) noexcept {
  const size_t blocks = args.lanes / kLaneBlock;
  for (size_t block = 0; block + 2 <= blocks; block += 2) AccumulateDiagonalBlocks<2>(args, block);
  if (blocks % 2 != 0) AccumulateDiagonalBlocks<1>(args, blocks - 1);
}

// All constants are 2^8-fold, so that the sum, shifted up by as much, wraps around as it should.
constexpr int kScale = 8;

// Of 16 numbers those in even or odd places, in 64 bits. Products look at the lower 32 bits alone.
struct Halves {
  __m512i even, odd;
};
Halves HalvesOf(__m512i numbers) {
  return {numbers, _mm512_srli_epi64(numbers, 32)};
}
Halves ShiftsOf(const int32_t* numbers) {
  const __m512i all = _mm512_add_epi32(_mm512_loadu_si512(numbers), _mm512_set1_epi32(kScale));
  return {_mm512_and_si512(all, _mm512_set1_epi64(0xffffffff)), _mm512_srli_epi64(all, 32)};
}
Halves ScaledHalvesOf(const int64_t* numbers) {
  const __m512i low = _mm512_slli_epi64(_mm512_loadu_si512(numbers), kScale);
  const __m512i high = _mm512_slli_epi64(_mm512_loadu_si512(numbers + 8), kScale);
  const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
  const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  return {_mm512_permutex2var_epi64(low, even, high), _mm512_permutex2var_epi64(low, odd, high)};
}

// A word has the codes of eight such pairs, a pair a byte.
Halves CodesOf(const PixelWords<const uint64_t>& words, size_t word) {
  const auto bytes = [word](const uint64_t* from) {
    return _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + word)));
  };
  const __m512i nibble = _mm512_set1_epi64(15), low = bytes(words.low);
  Halves codes = {_mm512_and_si512(low, nibble), _mm512_srli_epi64(low, 4)};
  if (words.high == nullptr) return codes;
  const __m512i high = bytes(words.high);
  codes.even = _mm512_or_si512(codes.even, _mm512_slli_epi64(_mm512_and_si512(high, nibble), 4));
  codes.odd = _mm512_or_si512(codes.odd, _mm512_andnot_si512(nibble, high));
  return codes;
}
void StoreCodes(const Halves& codes, size_t word, const PixelWords<uint64_t>& words) {
  const auto store = [word](__m512i pairs, uint64_t* to) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + word), _mm512_cvtepi64_epi8(pairs));
  };
  const __m512i nibble = _mm512_set1_epi64(15);
  store(_mm512_or_si512(_mm512_and_si512(codes.even, nibble), _mm512_slli_epi64(codes.odd, 4)), words.low);
  if (words.high == nullptr) return;
  store(_mm512_or_si512(_mm512_srli_epi64(codes.even, 4), _mm512_andnot_si512(nibble, codes.odd)), words.high);
}

// 16 lanes, pixel by pixel.
template <bool kLeaky>
void RequantizeBlock(const RequantizeArgs& args, size_t lane) {
  const LaneConstants& k = args.constants;
  const __m512i max = _mm512_set1_epi64(args.codes.high == nullptr ? 15 : 255);
  const __m512i m = _mm512_loadu_si512(k.m + lane);
  const __m512i c = _mm512_slli_epi32(_mm512_loadu_si512(k.c + lane), kScale);
  const Halves n = HalvesOf(_mm512_slli_epi32(_mm512_loadu_si512(k.n + lane), kScale));
  const Halves b = ScaledHalvesOf(k.b + lane), s = ShiftsOf(k.s + lane);
  const auto finish = [max](__m512i total, __m512i shift) {
    return _mm512_min_epi64(_mm512_max_epi64(_mm512_srav_epi64(total, shift), _mm512_setzero_si512()), max);
  };
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    const size_t word = lane / kLaneBlock * args.pixels + pixel;
    const __m512i sum = _mm512_loadu_si512(args.acc + pixel * args.lanes + lane);
    const __m512i acc = _mm512_add_epi32(_mm512_slli_epi32(sum, kScale), c);
    __m512i factor = m;
    Halves bias = b;
    if constexpr (kLeaky) {
      const __mmask16 below = _mm512_cmplt_epi32_mask(acc, _mm512_slli_epi32(_mm512_loadu_si512(k.t + lane), kScale));
      factor = _mm512_mask_loadu_epi32(m, below, k.m_below + lane);
      const Halves is_below = HalvesOf(_mm512_movm_epi32(below)), b_below = ScaledHalvesOf(k.b_below + lane);
      bias.even =
          _mm512_mask_mov_epi64(b.even, _mm512_test_epi64_mask(is_below.even, _mm512_set1_epi64(1)), b_below.even);
      bias.odd = _mm512_mask_mov_epi64(b.odd, _mm512_test_epi64_mask(is_below.odd, _mm512_set1_epi64(1)), b_below.odd);
    }
    const Halves of_acc = HalvesOf(acc), of_factor = HalvesOf(factor);
    Halves total = {_mm512_add_epi64(_mm512_mul_epi32(of_acc.even, of_factor.even), bias.even),
                    _mm512_add_epi64(_mm512_mul_epi32(of_acc.odd, of_factor.odd), bias.odd)};
    if (args.skip.low != nullptr) {
      const Halves of_skip = CodesOf(args.skip, word);
      total.even = _mm512_add_epi64(total.even, _mm512_mul_epi32(of_skip.even, n.even));
      total.odd = _mm512_add_epi64(total.odd, _mm512_mul_epi32(of_skip.odd, n.odd));
    }
    StoreCodes({finish(total.even, s.even), finish(total.odd, s.odd)}, word, args.codes);
  }
}

void Requantize(const RequantizeArgs& args) noexcept {
  for (size_t lane = 0; lane < args.lanes; lane += kLaneBlock) {
    args.leaky ? RequantizeBlock<true>(args, lane) : RequantizeBlock<false>(args, lane);
  }
}

}  // namespace

const ConvKernels kAvx512VnniConvKernels = {"avx512vnni", Supported,          Unpack,    CountNegative,
                                            Accumulate,   AccumulateDiagonal, Requantize};

}  // namespace msq::hw
