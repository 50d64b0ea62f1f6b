// An accelerator behind a device: told apart when it is opened, then made to run programs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/fpga/device.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

// What the accelerator counted while a program ran.
struct ProgramCounters {
  int64_t cycles = 0;
  int64_t steps = 0;
  int64_t dsp_busy = 0, lut_busy = 0;  // steps
  int64_t read_beats = 0, write_beats = 0;
  absl::Duration running;  // from the start to the look that found it ended, by the host's clock

  int64_t dram_bytes() const { return 8 * (read_beats + write_beats); }
  ProgramCounters& operator+=(const ProgramCounters& other);
};

// Where a program lies, and the memory that it may touch.
struct ProgramPlace {
  uint64_t program = 0;
  uint64_t window = 0;
  uint64_t window_bytes = 0;
};

// Thread-safe. One program runs at a time; whoever wants to run one waits in turn.
class Accelerator {
 public:
  struct Options {
    // Cycles without progress after which the hardware itself ends a program. 0 is never.
    uint32_t watchdog_cycles = 1 << 20;
    // A program that takes longer has hung, whatever the hardware says.
    absl::Duration hang_timeout = absl::Seconds(2);
  };

  // FAILED_PRECONDITION that says which register differs from what programs for `configuration` need.
  static absl::StatusOr<std::unique_ptr<Accelerator>> Open(std::unique_ptr<Device> device,
                                                           const hw::Configuration& configuration,
                                                           const Options& options);

  const std::string& name() const { return device_->name(); }
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) { return device_->Allocate(bytes); }
  // What its driver knows.
  std::optional<double> clock_hz() const { return device_->clock_hz(); }
  Device::Memory memory() const { return device_->memory(); }
  std::optional<double> ReadPowerWatts() const { return device_->ReadPowerWatts(); }

  // Waits for its turn, then starts the program. After an OK, and only then, Finish must follow, on any thread.
  absl::Status Start(const ProgramPlace& place);
  // Waits for its end. UNAVAILABLE when it went wrong: what the accelerator reports, or that it has hung.
  absl::StatusOr<ProgramCounters> Finish(absl::Duration expected);

 private:
  Accelerator(std::unique_ptr<Device> device, const Options& options) : device_(std::move(device)), options_(options) {}
  absl::Status Identify(const hw::Configuration& configuration) const;
  absl::Status WriteStart(const ProgramPlace& place);
  absl::Status Write64(uint32_t lower, uint64_t value);
  absl::StatusOr<int64_t> ReadCounter(uint32_t lower);
  absl::StatusOr<ProgramCounters> AwaitEnd(absl::Duration expected);
  void TakeTurn();
  void EndTurn();

  const std::unique_ptr<Device> device_;
  const Options options_;
  std::chrono::steady_clock::time_point started_;  // whose turn it is has this
  std::mutex mutex_;
  std::condition_variable turn_;
  uint64_t next_ = 0, served_ = 0;  // numbers of those who wait
};

}  // namespace msq::fpga
