// The rows of the kernel table on a processor without kernels of its own.
#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {

std::span<const KernelTable* const> Kernels() {
  static constexpr const KernelTable* kTables[] = {&kScalarKernels};
  return kTables;
}

}  // namespace msq::cpu
