#include "hw/sim/run_program.h"

#include <algorithm>
#include <chrono>

namespace msq::hw {
namespace {

constexpr uint64_t kCyclesAtOnce = 1 << 16;

// Both have the same registers, and let time pass each in its own way.
template <typename Device>
void Write64(Device& device, uint32_t lower, uint64_t value) {
  device.WriteRegister(lower, static_cast<uint32_t>(value));
  device.WriteRegister(lower + 4, static_cast<uint32_t>(value >> 32));
}

template <typename Device>
uint64_t ReadCounter(Device& device, uint32_t lower) {
  const uint64_t low = device.ReadRegister(lower);
  return low | uint64_t{device.ReadRegister(lower + 4)} << 32;
}

template <typename Device>
void Start(Device& device, const RunOptions& options) {
  Write64(device, kProgAddrLoRegister, options.program);
  Write64(device, kDramBaseLoRegister, options.window_base);
  Write64(device, kDramSizeLoRegister, options.window_bytes);
  device.WriteRegister(kWatchdogRegister, options.watchdog);
  device.WriteRegister(kGieRegister, 1);
  device.WriteRegister(kIerRegister, 1);
  device.WriteRegister(kIsrRegister, device.ReadRegister(kIsrRegister));  // ones toggle: nothing is pending
  device.WriteRegister(kCtrlRegister, 1);
}

template <typename Device>
void TakeResult(Device& device, ProgramRun* run) {
  run->ended = device.interrupt();
  run->error = static_cast<ErrorCode>(kStatusError.Of(device.ReadRegister(kStatusRegister)));
  run->error_index = device.ReadRegister(kErrorIndexRegister);
  run->cycles = ReadCounter(device, kCyclesLoRegister);
  run->steps = ReadCounter(device, kStepsLoRegister);
  run->dsp_busy = ReadCounter(device, kDspBusyLoRegister);
  run->lut_busy = ReadCounter(device, kLutBusyLoRegister);
  run->stall_weights = ReadCounter(device, kStallWeightsLoRegister);
  run->stall_drain = ReadCounter(device, kStallDrainLoRegister);
  run->stall_bank = ReadCounter(device, kStallBankLoRegister);
  run->read_beats = ReadCounter(device, kReadBeatsLoRegister);
  run->write_beats = ReadCounter(device, kWriteBeatsLoRegister);
  device.ReadRegister(kCtrlRegister);  // clears ap_done
  device.WriteRegister(kIsrRegister, device.ReadRegister(kIsrRegister));
}

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

ProgramRun RunProgram(SimulatedKernel& kernel, const RunOptions& options) {
  Start(kernel, options);
  const uint64_t start = kernel.cycle();
  const auto host_start = std::chrono::steady_clock::now();
  ProgramRun run;
  while (!kernel.interrupt() && kernel.cycle() - start < options.max_cycles) {
    kernel.Clock();
    for (size_t unit = 0; unit < run.completed.size(); ++unit) {
      if ((kernel.completed() >> unit & 1) != 0) run.completed[unit].push_back(kernel.cycle() - start);
    }
  }
  run.host_seconds = SecondsSince(host_start);
  TakeResult(kernel, &run);
  return run;
}

ProgramRun RunProgram(Machine& machine, const RunOptions& options) {
  const auto host_start = std::chrono::steady_clock::now();  // a model computes when it is started
  Start(machine, options);
  ProgramRun run;
  for (uint64_t passed = 0; !machine.interrupt() && passed < options.max_cycles;) {
    passed += machine.Advance(std::min(kCyclesAtOnce, options.max_cycles - passed));
  }
  run.host_seconds = SecondsSince(host_start);
  run.completed = machine.completed();
  TakeResult(machine, &run);
  return run;
}

}  // namespace msq::hw
