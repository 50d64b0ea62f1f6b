// The kernels for processors that have none of their own.
#include "hw/sim/conv_kernels.h"

namespace msq::hw {

std::span<const ConvKernels* const> AllConvKernels() {
  static constexpr const ConvKernels* kAll[] = {&kGenericConvKernels};
  return kAll;
}

}  // namespace msq::hw
