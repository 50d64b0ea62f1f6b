// How long a program takes: the accelerator's units as small machines that know counts but no data, cycle by cycle, with
// the memory of hw/sim/axi_memory.h. What is modelled and how near it comes: docs/hw/transaction_model.md.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/axi_memory.h"
#include "hw/sim/machine.h"

namespace msq::hw {

// Where a program ends that does not come to its END.
struct ProgramStop {
  enum class When : uint8_t { kFetched, kHandedOut, kBegun };
  int64_t instruction = 0;
  When when = When::kBegun;
};

struct ProgramTime {
  int64_t cycles = 0;
  bool stuck = false;  // ended by the watchdog
  int64_t newest = 0;  // of the instructions that were begun to be handed out
  int64_t steps = 0;
  int64_t stall_weights = 0, stall_drain = 0, stall_bank = 0;
  int64_t read_beats = 0, write_beats = 0;
  std::vector<int64_t> tile_steps;  // of each tile that CONV used
  // For each unit, the cycle (from the start) at which its nth instruction was completed.
  Completions completed;
};

struct TimedProgram {
  // Up to END, or to the first that is none.
  std::vector<AnyFields> instructions;
  uint64_t address = 0;  // of the first
  // An instruction that has an error; those that begin before it must have none.
  std::optional<ProgramStop> stop = std::nullopt;
  int64_t watchdog = 0;  // cycles without progress after which it ends; 0: a great many
};

// Cycles do not depend on data.
ProgramTime TimeProgram(const Configuration& configuration, const AxiMemoryOptions& memory,
                        const TimedProgram& program);

}  // namespace msq::hw
