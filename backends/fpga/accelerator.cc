#include "backends/fpga/accelerator.h"

#include <array>
#include <bit>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/status.h"
#include "hw/regs/isa.h"
#include "hw/regs/registers.h"

namespace msq::fpga {
namespace {

struct ExpectedRegister {
  uint32_t address;
  std::string_view name;
  uint32_t value;
};

constexpr uint32_t Placed(hw::RegisterBits bits, int value) {
  return static_cast<uint32_t>(value) << bits.lsb & bits.mask();
}

std::array<ExpectedRegister, 6> RegistersOf(const hw::Configuration& c) {
  const uint32_t array = Placed(hw::kConfigArrayPixels, c.p) | Placed(hw::kConfigArrayDspLanes, c.f) |
                         Placed(hw::kConfigArrayLutLanes, c.s) | Placed(hw::kConfigArrayDrain, c.q);
  const int wdepth_log2 = std::countr_zero(static_cast<unsigned>(c.wdepth));
  const uint32_t memory = Placed(hw::kConfigMemoryBanks, c.banks) | Placed(hw::kConfigMemoryPorts, c.ports) |
                          Placed(hw::kConfigMemoryWdepthLog2, wdepth_log2) | Placed(hw::kConfigMemoryLoads, c.loads) |
                          Placed(hw::kConfigMemoryVecs, c.vecs);
  return {{{hw::kIdRegister, "id", hw::kIdValue},
           {hw::kIsaVersionRegister, "isa_version", hw::kIsaVersion},
           {hw::kConfigArrayRegister, "config_array", array},
           {hw::kConfigMemoryRegister, "config_memory", memory},
           {hw::kConfigDepthRegister, "config_depth", static_cast<uint32_t>(c.depth)},
           {hw::kBuildIdRegister, "build_id", c.build_id}}};
}

}  // namespace

ProgramCounters& ProgramCounters::operator+=(const ProgramCounters& other) {
  cycles += other.cycles;
  steps += other.steps;
  dsp_busy += other.dsp_busy;
  lut_busy += other.lut_busy;
  read_beats += other.read_beats;
  write_beats += other.write_beats;
  running += other.running;
  return *this;
}

absl::StatusOr<std::unique_ptr<Accelerator>> Accelerator::Open(std::unique_ptr<Device> device,
                                                               const hw::Configuration& configuration,
                                                               const Options& options) {
  std::unique_ptr<Accelerator> accelerator(new Accelerator(std::move(device), options));
  MSQ_RETURN_IF_ERROR(WithContext(accelerator->Identify(configuration), accelerator->name()));
  return accelerator;
}

absl::Status Accelerator::Identify(const hw::Configuration& configuration) const {
  for (const ExpectedRegister& expected : RegistersOf(configuration)) {
    MSQ_ASSIGN_OR_RETURN(const uint32_t value, device_->ReadRegister(expected.address));
    if (value == expected.value) continue;
    return FailedPrecondition("register ", std::string(expected.name), " reads ", absl::StrFormat("0x%08x", value),
                              ", programs for '", std::string(configuration.name), "' need ",
                              absl::StrFormat("0x%08x", expected.value));
  }
  return absl::OkStatus();
}

absl::Status Accelerator::Start(const ProgramPlace& place) {
  TakeTurn();
  absl::Status status = WriteStart(place);
  if (!status.ok()) EndTurn();
  return status;
}

absl::Status Accelerator::WriteStart(const ProgramPlace& place) {
  MSQ_RETURN_IF_ERROR(Write64(hw::kProgAddrLoRegister, place.program));
  MSQ_RETURN_IF_ERROR(Write64(hw::kDramBaseLoRegister, place.window));
  MSQ_RETURN_IF_ERROR(Write64(hw::kDramSizeLoRegister, place.window_bytes));
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(hw::kWatchdogRegister, options_.watchdog_cycles));
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(hw::kGieRegister, hw::kGieEnable.mask()));
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(hw::kIerRegister, hw::kIerDone.mask()));
  // Ones toggle: what an earlier program left pending is taken back.
  MSQ_ASSIGN_OR_RETURN(const uint32_t pending, device_->ReadRegister(hw::kIsrRegister));
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(hw::kIsrRegister, pending));
  started_ = std::chrono::steady_clock::now();
  return device_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
}

absl::StatusOr<ProgramCounters> Accelerator::Finish(absl::Duration expected) {
  absl::StatusOr<ProgramCounters> counters = AwaitEnd(expected);
  EndTurn();
  if (counters.ok()) return counters;
  return Unavailable(name(), ": ", std::string(Message(counters.status())));
}

absl::StatusOr<ProgramCounters> Accelerator::AwaitEnd(absl::Duration expected) {
  MSQ_RETURN_IF_ERROR(device_->WaitUntilEnded(Clock::Real().Now() + options_.hang_timeout, expected));
  MSQ_ASSIGN_OR_RETURN(const uint32_t ctrl, device_->ReadRegister(hw::kCtrlRegister));  // clears ap_done
  if (hw::kCtrlApIdle.Of(ctrl) == 0) return Unavailable("it runs on after the program's end");
  MSQ_ASSIGN_OR_RETURN(const uint32_t status, device_->ReadRegister(hw::kStatusRegister));
  if (const uint32_t error = hw::kStatusError.Of(status); error != 0) {
    MSQ_ASSIGN_OR_RETURN(const uint32_t index, device_->ReadRegister(hw::kErrorIndexRegister));
    return Unavailable("the program ended with ", std::string(hw::ErrorName(error)), " at instruction ", index);
  }
  ProgramCounters counters;
  counters.running = absl::FromChrono(std::chrono::steady_clock::now() - started_);
  MSQ_ASSIGN_OR_RETURN(counters.cycles, ReadCounter(hw::kCyclesLoRegister));
  MSQ_ASSIGN_OR_RETURN(counters.steps, ReadCounter(hw::kStepsLoRegister));
  MSQ_ASSIGN_OR_RETURN(counters.dsp_busy, ReadCounter(hw::kDspBusyLoRegister));
  MSQ_ASSIGN_OR_RETURN(counters.lut_busy, ReadCounter(hw::kLutBusyLoRegister));
  MSQ_ASSIGN_OR_RETURN(counters.read_beats, ReadCounter(hw::kReadBeatsLoRegister));
  MSQ_ASSIGN_OR_RETURN(counters.write_beats, ReadCounter(hw::kWriteBeatsLoRegister));
  return counters;
}

absl::Status Accelerator::Write64(uint32_t lower, uint64_t value) {
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(lower, static_cast<uint32_t>(value)));
  return device_->WriteRegister(lower + 4, static_cast<uint32_t>(value >> 32));
}

absl::StatusOr<int64_t> Accelerator::ReadCounter(uint32_t lower) {
  MSQ_ASSIGN_OR_RETURN(const uint32_t low, device_->ReadRegister(lower));
  MSQ_ASSIGN_OR_RETURN(const uint32_t high, device_->ReadRegister(lower + 4));
  return static_cast<int64_t>(uint64_t{high} << 32 | low);
}

void Accelerator::TakeTurn() {
  std::unique_lock lock(mutex_);
  const uint64_t mine = next_++;
  turn_.wait(lock, [&] { return served_ == mine; });
}

void Accelerator::EndTurn() {
  {
    std::lock_guard lock(mutex_);
    ++served_;
  }
  turn_.notify_all();
}

}  // namespace msq::fpga
