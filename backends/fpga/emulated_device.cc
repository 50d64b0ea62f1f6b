#include "backends/fpga/emulated_device.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "base/aligned_buffer.h"
#include "hw/regs/registers.h"
#include "hw/sim/dram_allocator.h"

namespace msq::fpga {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The machine is given up so often while it runs, to others and to the look at the clock.
constexpr uint64_t kCyclesAtOnce = 4096;

// A program runs on a thread of its own, as on a board: whoever started it may use the DRAM beside it meanwhile.
class EmulatedDevice final : public Device {
 public:
  EmulatedDevice(std::unique_ptr<hw::Machine> machine, EmulatedDeviceOptions options)
      : options_(std::move(options)),
        machine_(std::move(machine)),
        dram_(machine_->dram()),
        dram_base_(machine_->dram_base()),
        allocator_(dram_base_, dram_.size()),
        runner_([this] { RunPrograms(); }) {}
  ~EmulatedDevice() override {
    {
      std::lock_guard lock(state_mutex_);
      state_ = State::kClosing;
    }
    changed_.notify_all();
    runner_.join();
  }

  const std::string& name() const override { return options_.name; }
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) override;

  absl::StatusOr<uint32_t> ReadRegister(uint32_t address) override {
    std::lock_guard lock(machine_mutex_);
    return machine_->ReadRegister(address);
  }
  absl::Status WriteRegister(uint32_t address, uint32_t value) override;
  absl::Status WaitUntilEnded(absl::Duration patience, absl::Duration expected) override;

  std::optional<double> clock_hz() const override { return options_.clock_hz; }
  Memory memory() override {
    std::lock_guard lock(allocator_mutex_);
    const auto bytes = static_cast<int64_t>(dram_.size());
    return {bytes, bytes - static_cast<int64_t>(allocator_.free_bytes())};
  }

 private:
  class Buffer;
  enum class State : uint8_t { kIdle, kRunning, kClosing };

  void RunPrograms();
  void RunProgram();
  // Whether the program may go on once the machine's time is the host's, where that is asked for.
  bool Pace(SteadyClock::time_point started, uint64_t cycles);

  const EmulatedDeviceOptions options_;
  std::mutex machine_mutex_;
  std::unique_ptr<hw::Machine> machine_;
  // Not under the lock: buffers and programs each have a part of it.
  const std::span<std::byte> dram_;
  const uint64_t dram_base_;
  std::mutex allocator_mutex_;
  hw::DramAllocator allocator_;

  std::mutex state_mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;
  uint32_t start_ = 0;    // what was written to start the program
  absl::Status failure_;  // of the emulation itself, whose machine is then good for nothing
  std::thread runner_;    // the last: it uses all the others
};

class EmulatedDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(EmulatedDevice* device, uint64_t address, size_t bytes) : device_(*device), address_(address), host_(bytes) {}
  ~Buffer() override {
    std::lock_guard lock(device_.allocator_mutex_);
    device_.allocator_.Free(address_);
  }

  uint64_t address() const override { return address_; }
  std::span<std::byte> host_bytes() override { return {host_.as<std::byte>(), host_.size()}; }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    std::memcpy(Dram(offset), host_.as<std::byte>() + offset, static_cast<size_t>(bytes));
    return absl::OkStatus();
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    std::memcpy(host_.as<std::byte>() + offset, Dram(offset), static_cast<size_t>(bytes));
    return absl::OkStatus();
  }

 private:
  std::byte* Dram(int64_t offset) const { return device_.dram_.data() + (address_ - device_.dram_base_) + offset; }

  EmulatedDevice& device_;
  const uint64_t address_;
  AlignedBuffer host_;
};

absl::StatusOr<std::unique_ptr<DeviceBuffer>> EmulatedDevice::Allocate(int64_t bytes) {
  std::lock_guard lock(allocator_mutex_);
  const auto size = static_cast<uint64_t>(std::max<int64_t>(bytes, 1));
  const std::optional<uint64_t> address = allocator_.Allocate(size);
  if (!address) {
    return absl::ResourceExhaustedError(absl::StrCat(options_.name, ": no room for ", bytes, " bytes beside others; ",
                                                     allocator_.free_bytes(), " of ", dram_.size(), " bytes are free"));
  }
  return std::make_unique<Buffer>(this, *address, size);
}

absl::Status EmulatedDevice::WriteRegister(uint32_t address, uint32_t value) {
  if (address != hw::kCtrlRegister || hw::kCtrlApStart.Of(value) == 0) {
    std::lock_guard lock(machine_mutex_);
    machine_->WriteRegister(address, value);
    return absl::OkStatus();
  }
  {
    std::lock_guard lock(state_mutex_);
    if (state_ != State::kIdle) return absl::OkStatus();  // the accelerator ignores it, too
    start_ = value;
    state_ = State::kRunning;
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void EmulatedDevice::RunPrograms() {
  std::unique_lock lock(state_mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return state_ != State::kIdle; });
    if (state_ == State::kClosing) return;
    lock.unlock();
    absl::Status status;
    try {
      RunProgram();
    } catch (const std::bad_alloc&) {
      status = absl::UnavailableError(absl::StrCat(options_.name, ": no memory to emulate a program"));
    }
    lock.lock();
    failure_.Update(status);
    if (state_ == State::kRunning) state_ = State::kIdle;
    changed_.notify_all();
  }
}

void EmulatedDevice::RunProgram() {
  const SteadyClock::time_point started = SteadyClock::now();
  uint64_t cycles = 0;
  bool has_ended = false;
  {
    std::lock_guard lock(machine_mutex_);
    machine_->WriteRegister(hw::kCtrlRegister, start_);
  }
  do {
    std::lock_guard lock(machine_mutex_);
    cycles += machine_->Advance(kCyclesAtOnce);
    has_ended = hw::kStatusBusy.Of(machine_->ReadRegister(hw::kStatusRegister)) == 0;
  } while (Pace(started, cycles) && !has_ended);
}

absl::Status EmulatedDevice::WaitUntilEnded(absl::Duration patience, absl::Duration /*expected*/) {
  std::unique_lock lock(state_mutex_);
  const bool has_ended =
      changed_.wait_for(lock, absl::ToChronoNanoseconds(patience), [this] { return state_ != State::kRunning; });
  return has_ended ? failure_ : absl::DeadlineExceededError("the program has not ended");
}

bool EmulatedDevice::Pace(SteadyClock::time_point started, uint64_t cycles) {
  const std::chrono::duration<double> simulated(static_cast<double>(cycles) / options_.clock_hz);
  const auto due = started + std::chrono::duration_cast<SteadyClock::duration>(simulated);
  std::unique_lock lock(state_mutex_);
  const auto is_closing = [this] { return state_ == State::kClosing; };
  // A wait costs something even where its time is over.
  const bool is_ahead = options_.paced && SteadyClock::now() < due;
  return is_ahead ? !changed_.wait_until(lock, due, is_closing) : !is_closing();
}

}  // namespace

std::unique_ptr<Device> CreateEmulatedDevice(std::unique_ptr<hw::Machine> machine, EmulatedDeviceOptions options) {
  return std::make_unique<EmulatedDevice>(std::move(machine), std::move(options));
}

}  // namespace msq::fpga
