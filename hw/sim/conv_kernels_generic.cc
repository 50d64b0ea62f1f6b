// The kernels in plain C++.
#include <algorithm>
#include <cstring>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {
namespace {

bool Always() noexcept {
  return true;
}

void Accumulate(const AccumulateArgs& args) noexcept {
  std::memset(args.acc, 0, args.pixels * args.lanes * sizeof(int32_t));
  for (size_t pixel = 0; pixel < args.pixels; ++pixel) {
    int32_t* acc = args.acc + pixel * args.lanes;
    const int8_t* w = args.weights;
    for (size_t step = 0; step < args.steps; ++step) {
      const uint8_t* word = args.words[pixel * args.steps + step];
      for (size_t four = 0; four < 4; ++four, w += 4 * args.lanes, word += 4) {
        for (size_t lane = 0; lane < args.lanes; ++lane) {
          for (size_t i = 0; i < 4; ++i) acc[lane] += word[i] * w[4 * lane + i];
        }
      }
    }
  }
}

void Requantize(const RequantizeArgs& args) noexcept {
  const LaneConstants& k = args.constants;
  for (size_t lane = 0; lane < args.lanes; ++lane) {
    const int64_t acc = args.acc[lane];
    const bool below = args.leaky && args.acc[lane] < k.t[lane];
    const int64_t skip = args.skip == nullptr ? 0 : int64_t{args.skip[lane]} * k.n[lane];
    const int64_t total = acc * (below ? k.m_below[lane] : k.m[lane]) + skip + (below ? k.b_below[lane] : k.b[lane]);
    args.codes[lane] = static_cast<uint8_t>(std::clamp<int64_t>(total >> k.s[lane], 0, args.max));
  }
}

}  // namespace

const ConvKernels kGenericConvKernels = {"generic", Always, Accumulate, Requantize};

}  // namespace msq::hw
