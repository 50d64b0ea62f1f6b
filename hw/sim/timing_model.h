// How long a program takes: the accelerator's units as small machines that know counts but no data, cycle by cycle, with
// the memory of hw/sim/axi_memory.h. What is modelled and how near it comes: docs/hw/transaction_model.md.
#pragma once

#include <cstdint>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/axi_memory.h"
#include "hw/sim/machine.h"

namespace msq::hw {

struct ProgramTime {
  int64_t cycles = 0;
  int64_t steps = 0;
  int64_t stall_weights = 0, stall_drain = 0, stall_bank = 0;
  int64_t read_beats = 0, write_beats = 0;
  std::vector<int64_t> tile_steps;  // of each tile that CONV used
  // For each unit, the cycle (from the start) at which its nth instruction was completed.
  Completions completed;
};

// The instructions up to END, which the functional model has run without an error, and the address of the first.
// Cycles do not depend on data.
ProgramTime TimeProgram(const Configuration& configuration, const AxiMemoryOptions& memory,
                        const std::vector<AnyFields>& instructions, uint64_t address);

}  // namespace msq::hw
