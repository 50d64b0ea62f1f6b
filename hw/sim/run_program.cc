#include "hw/sim/run_program.h"

#include <chrono>

namespace msq::hw {
namespace {

void Write64(SimulatedKernel& kernel, uint32_t lower, uint64_t value) {
  kernel.WriteRegister(lower, static_cast<uint32_t>(value));
  kernel.WriteRegister(lower + 4, static_cast<uint32_t>(value >> 32));
}

}  // namespace

ProgramRun RunProgram(SimulatedKernel& kernel, const RunOptions& options) {
  Write64(kernel, kProgAddrLoRegister, options.program);
  Write64(kernel, kDramBaseLoRegister, options.window_base);
  Write64(kernel, kDramSizeLoRegister, options.window_bytes);
  kernel.WriteRegister(kWatchdogRegister, options.watchdog);
  kernel.WriteRegister(kGieRegister, 1);
  kernel.WriteRegister(kIerRegister, 1);
  kernel.WriteRegister(kIsrRegister, kernel.ReadRegister(kIsrRegister));  // ones toggle: nothing is pending
  kernel.WriteRegister(kCtrlRegister, 1);
  const uint64_t start = kernel.cycle();
  const auto host_start = std::chrono::steady_clock::now();
  ProgramRun run;
  while (!kernel.interrupt() && kernel.cycle() - start < options.max_cycles) {
    kernel.Clock();
    for (int unit = 0; unit < kUnits; ++unit) {
      if ((kernel.completed() >> unit & 1) != 0) {
        run.completed[static_cast<size_t>(unit)].push_back(kernel.cycle() - start);
      }
    }
  }
  run.host_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - host_start).count();
  run.ended = kernel.interrupt();
  const uint32_t status = kernel.ReadRegister(kStatusRegister);
  run.error = static_cast<ErrorCode>(kStatusError.Of(status));
  run.error_index = kernel.ReadRegister(kErrorIndexRegister);
  run.cycles = kernel.ReadCounter(kCyclesLoRegister);
  run.steps = kernel.ReadCounter(kStepsLoRegister);
  run.dsp_busy = kernel.ReadCounter(kDspBusyLoRegister);
  run.lut_busy = kernel.ReadCounter(kLutBusyLoRegister);
  run.stall_weights = kernel.ReadCounter(kStallWeightsLoRegister);
  run.stall_drain = kernel.ReadCounter(kStallDrainLoRegister);
  run.stall_bank = kernel.ReadCounter(kStallBankLoRegister);
  run.read_beats = kernel.ReadCounter(kReadBeatsLoRegister);
  run.write_beats = kernel.ReadCounter(kWriteBeatsLoRegister);
  kernel.ReadRegister(kCtrlRegister);  // clears ap_done
  kernel.WriteRegister(kIsrRegister, kernel.ReadRegister(kIsrRegister));
  return run;
}

}  // namespace msq::hw
