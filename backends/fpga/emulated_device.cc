#include "backends/fpga/emulated_device.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/clock.h"
#include "hw/regs/registers.h"
#include "hw/sim/dram_allocator.h"

namespace msq::fpga {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The machine is given up so often while it runs, to others and to the look at the clock.
constexpr uint64_t kCyclesAtOnce = 4096;

class EmulatedDevice final : public Device {
 public:
  EmulatedDevice(std::unique_ptr<hw::Machine> machine, EmulatedDeviceOptions options)
      : options_(std::move(options)),
        machine_(std::move(machine)),
        allocator_(machine_->dram_base(), machine_->dram().size()) {}

  const std::string& name() const override { return options_.name; }
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) override;

  absl::StatusOr<uint32_t> ReadRegister(uint32_t address) override {
    std::lock_guard lock(mutex_);
    return machine_->ReadRegister(address);
  }
  absl::Status WriteRegister(uint32_t address, uint32_t value) override {
    std::lock_guard lock(mutex_);
    if (address == hw::kCtrlRegister) started_ = SteadyClock::now(), cycles_ = 0;
    machine_->WriteRegister(address, value);
    return absl::OkStatus();
  }
  absl::Status WaitUntilEnded(absl::Time deadline, absl::Duration expected) override;

  std::optional<double> clock_hz() const override { return options_.clock_hz; }
  Memory memory() override {
    std::lock_guard lock(mutex_);
    const auto bytes = static_cast<int64_t>(machine_->dram().size());
    return {bytes, bytes - static_cast<int64_t>(allocator_.free_bytes())};
  }

 private:
  class Buffer;

  // Until the machine's time is the host's, where that is asked for.
  void Pace(absl::Time deadline) const;

  const EmulatedDeviceOptions options_;
  std::mutex mutex_;
  std::unique_ptr<hw::Machine> machine_;
  hw::DramAllocator allocator_;
  SteadyClock::time_point started_;  // the program
  uint64_t cycles_ = 0;              // since then
};

class EmulatedDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(EmulatedDevice* device, uint64_t address, size_t bytes) : device_(*device), address_(address), host_(bytes) {}
  ~Buffer() override {
    std::lock_guard lock(device_.mutex_);
    device_.allocator_.Free(address_);
  }

  uint64_t address() const override { return address_; }
  std::span<std::byte> host_bytes() override { return {host_.as<std::byte>(), host_.size()}; }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    std::lock_guard lock(device_.mutex_);
    std::memcpy(Dram(offset), host_.as<std::byte>() + offset, static_cast<size_t>(bytes));
    return absl::OkStatus();
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    std::lock_guard lock(device_.mutex_);
    std::memcpy(host_.as<std::byte>() + offset, Dram(offset), static_cast<size_t>(bytes));
    return absl::OkStatus();
  }

 private:
  std::byte* Dram(int64_t offset) const {
    return device_.machine_->dram().data() + (address_ - device_.machine_->dram_base()) + offset;
  }

  EmulatedDevice& device_;
  const uint64_t address_;
  AlignedBuffer host_;
};

absl::StatusOr<std::unique_ptr<DeviceBuffer>> EmulatedDevice::Allocate(int64_t bytes) {
  std::lock_guard lock(mutex_);
  const auto size = static_cast<uint64_t>(std::max<int64_t>(bytes, 1));
  const std::optional<uint64_t> address = allocator_.Allocate(size);
  if (!address) {
    return absl::ResourceExhaustedError(absl::StrCat(options_.name, ": no room for ", bytes, " bytes beside others; ",
                                                     allocator_.free_bytes(), " of ", machine_->dram().size(),
                                                     " bytes are free"));
  }
  return std::make_unique<Buffer>(this, *address, size);
}

absl::Status EmulatedDevice::WaitUntilEnded(absl::Time deadline, absl::Duration /*expected*/) {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (machine_->interrupt()) break;
      cycles_ += machine_->Advance(kCyclesAtOnce);
      if (machine_->interrupt()) break;
    }
    if (Clock::Real().Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(options_.name, ": the program has not ended after ", cycles_, " cycles"));
    }
    Pace(deadline);
  }
  Pace(deadline);
  return absl::OkStatus();
}

void EmulatedDevice::Pace(absl::Time deadline) const {
  if (!options_.paced) return;
  const std::chrono::duration<double> simulated(static_cast<double>(cycles_) / options_.clock_hz);
  const auto due = started_ + std::chrono::duration_cast<SteadyClock::duration>(simulated);
  const auto left = absl::ToChronoNanoseconds(deadline - Clock::Real().Now());
  std::this_thread::sleep_until(std::min(due, SteadyClock::now() + std::max(left, std::chrono::nanoseconds(0))));
}

}  // namespace

std::unique_ptr<Device> CreateEmulatedDevice(std::unique_ptr<hw::Machine> machine, EmulatedDeviceOptions options) {
  return std::make_unique<EmulatedDevice>(std::move(machine), std::move(options));
}

}  // namespace msq::fpga
