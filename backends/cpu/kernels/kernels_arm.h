// The 32-bit ARM rows of the kernel table. Each is compiled with its own instruction set in a file of its own.
#pragma once

#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {

extern const KernelTable kNeonKernels;

// Asked before a kernel of that row is ever called; compiled for the baseline.
bool HasNeon();

}  // namespace msq::cpu
