// The kernels in plain C++.
#include <algorithm>
#include <array>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/negative_counts.h"
#include "hw/sim/nibbles.h"
#include "hw/sim/weight_codes.h"

namespace msq::hw {
namespace {

bool Always() noexcept {
  return true;
}

void Unpack(const UnpackArgs& args) noexcept {
  const size_t all = LanesOfBlocks(args.lanes);
  for (size_t row = 0; row < args.rows; ++row) {
    for (size_t lane = 0; lane < args.lanes; ++lane) {
      const uint64_t beat = args.beats[row * args.row_beats + lane];
      const WeightCodes& codes = (args.sp2 >> lane & 1) != 0 ? kSp2Codes : kTwosComplementCodes;
      for (size_t i = 0; i < kChannels; ++i) {
        args.weights[(row * kChannels + i / 4 * 4) * all + 4 * lane + i % 4] = codes[beat >> (4 * i) & 15];
      }
    }
  }
}

void CountNegative(const NegativeArgs& args) noexcept {
  CountNegativeRows(args);
}

// What is in `acc` before the first step.
void Begin(const AccumulateArgs& args) {
  for (size_t i = 0; i < args.pixels * args.lanes; ++i) {
    args.acc[i] = args.is_first ? 0 : static_cast<int32_t>(static_cast<uint32_t>(args.acc[i]) << args.shift);
  }
}

void Add(int value, int32_t* to) {
  *to = static_cast<int32_t>(static_cast<uint32_t>(*to) + static_cast<uint32_t>(value));
}

void Accumulate(const AccumulateArgs& args) noexcept {
  Begin(args);
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    int32_t* acc = args.acc + pixel * args.lanes;
    const int8_t* w = args.weights;
    for (size_t step = 0; step < args.steps; ++step) {
      const uint8_t* word = args.windows + static_cast<ptrdiff_t>(pixel) * args.stride + args.offsets[step];
      for (size_t four = 0; four < kChannels; four += 4, w += 4 * args.lanes) {
        for (size_t lane = 0; lane < args.lanes; ++lane) {
          int sum = 0;
          for (size_t i = 0; i < 4; ++i) sum += word[four + i] * w[4 * lane + i];
          Add(sum, &acc[lane]);
        }
      }
    }
  }
}

void AccumulateDiagonal(const AccumulateArgs& args) noexcept {
  Begin(args);
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    for (size_t step = 0; step < args.steps; ++step) {
      const uint8_t* word = args.windows + static_cast<ptrdiff_t>(pixel) * args.stride + args.offsets[step];
      const int8_t* w = args.weights + step / 4 * 4 * args.lanes + step % 4;
      for (size_t lane = 0; lane < args.lanes; ++lane) {
        Add(word[lane % kChannels] * w[4 * lane], &args.acc[pixel * args.lanes + lane]);
      }
    }
  }
}

uint8_t Code(const RequantizeArgs& args, size_t pixel, size_t lane, int64_t skip) {
  const LaneConstants& k = args.constants;
  const uint32_t sum = static_cast<uint32_t>(args.acc[pixel * args.lanes + lane]) + static_cast<uint32_t>(k.c[lane]);
  const int32_t acc = static_cast<int32_t>(sum << 8) >> 8;
  const bool below = args.leaky && acc < k.t[lane];
  const int64_t m = below ? k.m_below[lane] : k.m[lane], b = below ? k.b_below[lane] : k.b[lane];
  const int64_t total = acc * m + skip * k.n[lane] + b;
  return static_cast<uint8_t>(std::clamp<int64_t>(total >> k.s[lane], 0, args.codes.high == nullptr ? 15 : 255));
}

void Requantize(const RequantizeArgs& args) noexcept {
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    for (size_t first = 0; first < args.lanes; first += kLaneBlock) {
      const size_t word = first / kLaneBlock * args.pixels + pixel;
      std::array<uint8_t, kLaneBlock> codes{};
      if (args.skip.low != nullptr) SpreadWords(args.skip, word, codes.data());
      for (size_t i = 0; i < kLaneBlock; ++i) codes[i] = Code(args, pixel, first + i, codes[i]);
      PackWords(codes.data(), word, args.codes);
    }
  }
}

}  // namespace

const ConvKernels kGenericConvKernels = {"generic",          Always,    Unpack, CountNegative, Accumulate,
                                         AccumulateDiagonal, Requantize};

}  // namespace msq::hw
