// Runs a program on a simulated accelerator, as a driver would, and records when each instruction was completed.
#pragma once

#include <cstdint>

#include "hw/regs/registers.h"
#include "hw/sim/machine.h"
#include "hw/sim/simulated_kernel.h"

namespace msq::hw {

struct RunOptions {
  uint64_t program = 0;      // address of the first instruction
  uint64_t window_base = 0;  // the DRAM that the program may touch
  uint64_t window_bytes = 0;
  uint32_t watchdog = 1 << 20;  // cycles without progress
  uint64_t max_cycles = 0;      // gives up after so many
};

struct ProgramRun {
  bool ended = false;  // before max_cycles
  ErrorCode error = ErrorCode::kNone;
  uint32_t error_index = 0;  // of the newest instruction handed out when the error came
  uint64_t cycles = 0;       // as the accelerator counts them
  uint64_t steps = 0;        // of the array
  uint64_t dsp_busy = 0, lut_busy = 0;
  uint64_t stall_weights = 0, stall_drain = 0, stall_bank = 0;
  uint64_t read_beats = 0, write_beats = 0;
  double host_seconds = 0;  // that the simulation took
  // For each unit, the cycle (from the start) at which its nth instruction was completed.
  Completions completed;

  bool ok() const { return ended && error == ErrorCode::kNone; }
};

ProgramRun RunProgram(SimulatedKernel& kernel, const RunOptions& options);
ProgramRun RunProgram(Machine& machine, const RunOptions& options);

}  // namespace msq::hw
