// The requantizer as a loop over lanes, for the compiler to vectorize with the flags of the file that includes it.
#pragma once

#include <algorithm>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {

// Static: each file has a copy for its instruction set.
static inline void RequantizeLanes(const RequantizeArgs& args) {
  const LaneConstants& k = args.constants;
  for (size_t lane = 0; lane < args.lanes; ++lane) {
    const int64_t acc = args.acc[lane];
    const bool below = args.leaky && args.acc[lane] < k.t[lane];
    const int64_t skip = args.skip == nullptr ? 0 : int64_t{args.skip[lane]} * k.n[lane];
    const int64_t total = acc * (below ? k.m_below[lane] : k.m[lane]) + skip + (below ? k.b_below[lane] : k.b[lane]);
    args.codes[lane] = static_cast<uint8_t>(std::clamp<int64_t>(total >> k.s[lane], 0, args.max));
  }
}

}  // namespace msq::hw
