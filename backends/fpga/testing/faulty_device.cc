#include "backends/fpga/testing/faulty_device.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "hw/regs/registers.h"

namespace msq::fpga::testing {
namespace {

class FaultyDevice final : public Device {
 public:
  FaultyDevice(std::unique_ptr<Device> device, BoardFaults* faults, std::string name)
      : device_(std::move(device)), faults_(*faults), name_(std::move(name)) {
    ++faults_.opened;
  }

  const std::string& name() const override { return name_; }
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) override;

  absl::StatusOr<uint32_t> ReadRegister(uint32_t address) override {
    MSQ_RETURN_IF_ERROR(CheckAlive());
    MSQ_ASSIGN_OR_RETURN(const uint32_t value, device_->ReadRegister(address));
    if (address == hw::kBuildIdRegister && faults_.wrong_build) return value + 1;
    if (address == hw::kStatusRegister && faults_.bus_error) return static_cast<uint32_t>(hw::ErrorCode::kAxiError);
    return value;
  }

  absl::Status WriteRegister(uint32_t address, uint32_t value) override {
    MSQ_RETURN_IF_ERROR(CheckAlive());
    if (address == hw::kCtrlRegister && hw::kCtrlApStart.Of(value) != 0) {
      ++faults_.programs;
      if (faults_.hangs) return absl::OkStatus();
    }
    return device_->WriteRegister(address, value);
  }

  absl::Status WaitUntilEnded(absl::Time deadline, absl::Duration expected) override {
    while (faults_.hangs) {
      if (Clock::Real().Now() >= deadline) return absl::DeadlineExceededError("it has hung");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    MSQ_RETURN_IF_ERROR(CheckAlive());
    return device_->WaitUntilEnded(deadline, expected);
  }

  std::optional<double> clock_hz() const override { return device_->clock_hz(); }
  Memory memory() override { return device_->memory(); }
  std::optional<double> ReadPowerWatts() override {
    const double watts = faults_.watts;
    return watts > 0 ? std::optional(watts) : device_->ReadPowerWatts();
  }

 private:
  class Buffer;

  absl::Status CheckAlive() const { return faults_.dead ? Unavailable(name_, ": no answer") : absl::OkStatus(); }

  const std::unique_ptr<Device> device_;
  BoardFaults& faults_;
  const std::string name_;
};

class FaultyDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(const FaultyDevice* device, std::unique_ptr<DeviceBuffer> buffer)
      : device_(*device), buffer_(std::move(buffer)) {}

  uint64_t address() const override { return buffer_->address(); }
  std::span<std::byte> host_bytes() override { return buffer_->host_bytes(); }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    MSQ_RETURN_IF_ERROR(device_.CheckAlive());
    return buffer_->Upload(offset, bytes);
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    MSQ_RETURN_IF_ERROR(device_.CheckAlive());
    MSQ_RETURN_IF_ERROR(buffer_->Download(offset, bytes));
    const auto part = host_bytes().subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
    if (device_.faults_.wrong_bits) std::for_each(part.begin(), part.end(), [](std::byte& b) { b ^= std::byte{1}; });
    return absl::OkStatus();
  }

 private:
  const FaultyDevice& device_;
  const std::unique_ptr<DeviceBuffer> buffer_;
};

absl::StatusOr<std::unique_ptr<DeviceBuffer>> FaultyDevice::Allocate(int64_t bytes) {
  if (bytes > faults_.memory) return absl::ResourceExhaustedError(name_ + ": its memory is full");
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<DeviceBuffer> buffer, device_->Allocate(bytes));
  return std::make_unique<Buffer>(this, std::move(buffer));
}

}  // namespace

std::unique_ptr<Device> AddFaults(std::unique_ptr<Device> device, BoardFaults* faults, std::string name) {
  return std::make_unique<FaultyDevice>(std::move(device), faults, std::move(name));
}

}  // namespace msq::fpga::testing
