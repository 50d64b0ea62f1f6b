// An accelerator behind a device: told apart when it is opened, then made to run programs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/fpga/device.h"
#include "backends/fpga/program_record.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

// Where a program lies, and the memory that it may touch.
struct ProgramPlace {
  uint64_t program = 0;
  uint64_t window = 0;
  uint64_t window_bytes = 0;
};

// Asked again and again while something waits: OK, or why it is to give up.
using Check = std::function<absl::Status()>;

// Thread-safe. One program runs at a time; whoever wants to run one waits in turn. Once something went wrong all that
// follows is UNAVAILABLE with the same cause: what the hardware does now nobody knows. Another is opened in its place.
class Accelerator {
 public:
  struct Options {
    // Cycles without progress after which the hardware itself ends a program. 0 is never.
    uint32_t watchdog_cycles = 1 << 20;
    // A program that takes longer has hung, whatever the hardware says.
    absl::Duration hang_timeout = absl::Seconds(2);
    // Nobody is to wait for a program any more, where it is set; null: never.
    const std::atomic<bool>* stopping = nullptr;
  };

  // A program that was started, until its end: the destructor waits for it if nobody has.
  class Running {
   public:
    Running(Running&& other) noexcept
        : accelerator_(std::exchange(other.accelerator_, nullptr)), expected_(other.expected_) {}
    Running& operator=(Running&&) = delete;
    ~Running();

    // Once. UNAVAILABLE when it went wrong: what the accelerator reports, or that it has hung.
    absl::StatusOr<ProgramCounters> Finish();

   private:
    friend class Accelerator;
    Running(Accelerator* accelerator, absl::Duration expected) : accelerator_(accelerator), expected_(expected) {}
    Accelerator* accelerator_;
    absl::Duration expected_;
  };

  // FAILED_PRECONDITION that says which register differs from what programs for `configuration` need.
  static absl::StatusOr<std::unique_ptr<Accelerator>> Open(std::unique_ptr<Device> device,
                                                           const hw::Configuration& configuration,
                                                           const Options& options);

  // Where its programs are told from now on. While none runs.
  void SetRecord(std::shared_ptr<ProgramRecord> record) { record_ = std::move(record); }

  const std::string& name() const { return device_->name(); }
  uint64_t id() const { return id_; }  // differs between any two that this process has opened
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) { return device_->Allocate(bytes); }
  // What its driver knows.
  std::optional<double> clock_hz() const { return device_->clock_hz(); }
  Device::Memory memory() const { return device_->memory(); }
  std::optional<double> ReadPowerWatts() const { return device_->ReadPowerWatts(); }

  // Waits for its turn, or until `check` says no, then starts the program, which should take about `expected`.
  absl::StatusOr<Running> Start(const ProgramPlace& place, absl::Duration expected, const Check& check);

  // Whether a program may still run that nobody waits for any more, and write to its memory.
  bool may_run_on() const { return may_run_on_; }
  // Holds such a program's memory for as long as the accelerator is there.
  void Keep(std::unique_ptr<DeviceBuffer> buffer);
  // Whether no program runs.
  absl::StatusOr<bool> IsIdle();

 private:
  Accelerator(std::unique_ptr<Device> device, const Options& options);
  absl::Status Identify(const hw::Configuration& configuration) const;
  absl::Status TakeTurn(const Check& check);
  void EndTurn(const absl::Status& how);
  absl::Status WriteStart(const ProgramPlace& place);
  absl::Status Write64(uint32_t lower, uint64_t value);
  absl::StatusOr<int64_t> ReadCounter(uint32_t lower);
  absl::StatusOr<ProgramCounters> Finish(absl::Duration expected);
  absl::StatusOr<ProgramCounters> AwaitEnd(absl::Duration expected);
  absl::Status AwaitDevice(absl::Duration expected);

  const std::unique_ptr<Device> device_;
  const Options options_;
  const uint64_t id_;
  std::shared_ptr<ProgramRecord> record_;          // null: nowhere
  std::chrono::steady_clock::time_point started_;  // whose turn it is has this
  std::atomic<bool> may_run_on_ = false;
  std::mutex mutex_;
  std::condition_variable turn_;
  std::deque<uint64_t> waiting_;  // numbers; the first has its turn
  uint64_t next_ = 0;
  absl::Status failure_;
  std::vector<std::unique_ptr<DeviceBuffer>> kept_;
};

}  // namespace msq::fpga
