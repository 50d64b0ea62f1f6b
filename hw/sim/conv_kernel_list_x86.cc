// The kernels for x86-64.
#include "hw/sim/conv_kernels.h"

namespace msq::hw {

std::span<const ConvKernels* const> AllConvKernels() {
  static constexpr const ConvKernels* kAll[] = {&kAvx512VnniConvKernels, &kAvx2ConvKernels, &kGenericConvKernels};
  return kAll;
}

}  // namespace msq::hw
