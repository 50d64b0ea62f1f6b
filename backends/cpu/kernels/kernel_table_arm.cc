// The rows of the kernel table on 32-bit ARM, and whether this machine can run them.
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/kernels/kernels_arm.h"

namespace msq::cpu {

// Linux tells what the processor has and the kernel saves.
bool HasNeon() {
  return (getauxval(AT_HWCAP) & HWCAP_NEON) != 0;
}

std::span<const KernelTable* const> Kernels() {
  static constexpr const KernelTable* kTables[] = {&kScalarKernels, &kNeonKernels};
  return kTables;
}

}  // namespace msq::cpu
