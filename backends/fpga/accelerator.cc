#include "backends/fpga/accelerator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "absl/strings/str_format.h"
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

Accelerator::Accelerator(std::unique_ptr<Device> device, const Options& options)
    : device_(std::move(device)), options_(options), id_([] {
        static std::atomic<uint64_t> opened{0};
        return ++opened;
      }()) {}

absl::StatusOr<std::unique_ptr<Accelerator>> Accelerator::Open(std::unique_ptr<Device> device,
                                                               const hw::Configuration& configuration,
                                                               const Options& options) {
  std::unique_ptr<Accelerator> accelerator(new Accelerator(std::move(device), options));
  MSQ_RETURN_IF_ERROR(accelerator->Identify(configuration));
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

absl::StatusOr<Accelerator::Running> Accelerator::Start(const ProgramPlace& place, absl::Duration expected,
                                                        const Check& check) {
  MSQ_RETURN_IF_ERROR(TakeTurn(check));
  const absl::Status status = WriteStart(place);
  if (status.ok()) return Running(this, expected);
  may_run_on_ = true;  // the last write may have arrived
  if (record_ != nullptr) record_->GiveUp();
  const absl::Status failure = Unavailable(std::string(Message(status)));
  EndTurn(failure);
  return failure;
}

absl::Status Accelerator::WriteStart(const ProgramPlace& place) {
  MSQ_ASSIGN_OR_RETURN(const bool is_idle, IsIdle());
  if (!is_idle) return Unavailable("it runs a program that was not started here");
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
  if (record_ != nullptr) record_->Begin(started_);
  return device_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
}

absl::StatusOr<bool> Accelerator::IsIdle() {
  MSQ_ASSIGN_OR_RETURN(const uint32_t ctrl, device_->ReadRegister(hw::kCtrlRegister));
  return hw::kCtrlApIdle.Of(ctrl) != 0;
}

Accelerator::Running::~Running() {
  if (accelerator_ != nullptr) static_cast<void>(Finish());
}

absl::StatusOr<ProgramCounters> Accelerator::Running::Finish() {
  return std::exchange(accelerator_, nullptr)->Finish(expected_);
}

absl::StatusOr<ProgramCounters> Accelerator::Finish(absl::Duration expected) {
  absl::StatusOr<ProgramCounters> counters = AwaitEnd(expected);
  if (!counters.ok()) counters = Unavailable(std::string(Message(counters.status())));
  if (record_ != nullptr && counters.ok()) record_->End(*counters);
  if (record_ != nullptr && !counters.ok()) record_->GiveUp();
  EndTurn(counters.status());
  return counters;
}

// In short waits, so that one who is stopping need not wait for a program that has hung.
absl::Status Accelerator::AwaitDevice(absl::Duration expected) {
  constexpr absl::Duration kLookInterval = absl::Milliseconds(200);
  const auto give_up = started_ + absl::ToChronoNanoseconds(options_.hang_timeout);
  for (;;) {
    const absl::Duration left = absl::FromChrono(give_up - std::chrono::steady_clock::now());
    const absl::Duration patience = std::min(std::max(left, absl::ZeroDuration()), kLookInterval);
    const absl::Status status = device_->WaitUntilEnded(patience, std::min(expected, patience));
    if (!absl::IsDeadlineExceeded(status)) return status;
    if (left <= kLookInterval) {
      return Unavailable("the program has not ended in ", absl::FormatDuration(options_.hang_timeout));
    }
    if (options_.stopping != nullptr && *options_.stopping) return Unavailable("the program was given up");
    expected = absl::ZeroDuration();
  }
}

absl::StatusOr<ProgramCounters> Accelerator::AwaitEnd(absl::Duration expected) {
  may_run_on_ = true;
  MSQ_RETURN_IF_ERROR(AwaitDevice(expected));
  MSQ_ASSIGN_OR_RETURN(const bool is_idle, IsIdle());  // which clears ap_done
  if (!is_idle) return Unavailable("it runs on after the program's end");
  may_run_on_ = false;
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

absl::Status Accelerator::TakeTurn(const Check& check) {
  constexpr std::chrono::milliseconds kCheckInterval(10);
  std::unique_lock lock(mutex_);
  const uint64_t mine = next_++;
  waiting_.push_back(mine);
  const auto is_my_turn = [&] { return !failure_.ok() || waiting_.front() == mine; };
  absl::Status status;
  while (status.ok() && !turn_.wait_for(lock, kCheckInterval, is_my_turn)) {
    lock.unlock();
    status = check();
    lock.lock();
  }
  if (status.ok()) status = failure_;
  if (!status.ok()) std::erase(waiting_, mine);
  lock.unlock();
  if (!status.ok()) turn_.notify_all();  // whoever is behind may be first now
  return status;
}

// Failed once, an accelerator has no more turns.
void Accelerator::EndTurn(const absl::Status& how) {
  {
    std::lock_guard lock(mutex_);
    waiting_.pop_front();
    failure_.Update(how);
  }
  turn_.notify_all();
}

void Accelerator::Keep(std::unique_ptr<DeviceBuffer> buffer) {
  std::lock_guard lock(mutex_);
  kept_.push_back(std::move(buffer));
}

}  // namespace msq::fpga
