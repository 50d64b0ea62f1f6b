// What a module libmsq_rtl_<configuration>.so exports: programs load it, so that none is linked with verilated code.
#pragma once

#include "hw/sim/machine.h"

namespace msq::hw {

// A new machine, which the caller deletes. `memory` has the ports of the configuration.
using RtlMachineFactory = Machine* (*)(const AxiMemoryOptions& memory);
inline constexpr char kRtlMachineFactory[] = "MsqCreateRtlMachine";

}  // namespace msq::hw

extern "C" __attribute__((visibility("default"))) msq::hw::Machine* MsqCreateRtlMachine(
    const msq::hw::AxiMemoryOptions& memory);
