// The rows of the kernel table on x86-64, and whether this machine can run them.
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/kernels/kernels_x86.h"

namespace msq::cpu {

// The compiler's cpuid also asks whether the operating system saves the registers.
bool HasAvx2() {
  return __builtin_cpu_supports("avx2");
}

bool HasAvx512Vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

std::span<const KernelTable* const> Kernels() {
  static constexpr const KernelTable* kTables[] = {&kScalarKernels, &kAvx2Kernels, &kAvx512VnniKernels};
  return kTables;
}

}  // namespace msq::cpu
