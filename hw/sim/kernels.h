// The simulated accelerators there are: one function a configuration, each in a library of its own
// (msq_kernel_tiny, msq_kernel_z020, ...), for verilating a large one takes minutes.
#pragma once

#include <memory>

#include "hw/sim/simulated_kernel.h"

namespace msq::hw {

std::unique_ptr<SimulatedKernel> CreateKernel_tiny(AxiMemory* memory);
std::unique_ptr<SimulatedKernel> CreateKernel_z020(AxiMemory* memory);
std::unique_ptr<SimulatedKernel> CreateKernel_z045(AxiMemory* memory);
std::unique_ptr<SimulatedKernel> CreateKernel_paper_z020(AxiMemory* memory);
std::unique_ptr<SimulatedKernel> CreateKernel_paper_z045(AxiMemory* memory);

}  // namespace msq::hw
