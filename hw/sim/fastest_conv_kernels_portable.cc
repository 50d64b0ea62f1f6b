// Which kernels to take where there is but one kind.
#include "hw/sim/conv_kernels.h"

namespace msq::hw {

const ConvKernels& FastestConvKernels() {
  return kGenericConvKernels;
}

}  // namespace msq::hw
