// The kernels in plain C++.
#include <cstring>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_kernels_loops.h"

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
  RequantizeLanes(args);
}

}  // namespace

const ConvKernels kGenericConvKernels = {"generic", Always, Accumulate, Requantize};

}  // namespace msq::hw
