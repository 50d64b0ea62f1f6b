// Which kernels to take on x86-64.
#include "hw/sim/conv_kernels.h"

namespace msq::hw {

const ConvKernels& FastestConvKernels() {
  if (kAvx512VnniConvKernels.supported()) return kAvx512VnniConvKernels;
  if (kAvx2ConvKernels.supported()) return kAvx2ConvKernels;
  return kGenericConvKernels;
}

}  // namespace msq::hw
