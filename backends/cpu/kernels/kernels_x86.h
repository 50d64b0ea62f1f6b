// The x86-64 rows of the kernel table. Each is compiled with its own instruction set in a file of its own.
#pragma once

#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {

extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512VnniKernels;

// Asked before a kernel of that row is ever called; compiled for the baseline.
bool HasAvx2();
bool HasAvx512Vnni();

}  // namespace msq::cpu
