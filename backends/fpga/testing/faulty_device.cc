#include "backends/fpga/testing/faulty_device.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
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
    MSQ_RETURN_IF_ERROR(BeginIfDue());
    if (address == hw::kCtrlRegister && ((faults_.hangs && running_) || pending_)) return hw::kCtrlApStart.mask();
    if (address == hw::kStatusRegister && faults_.bus_error) return static_cast<uint32_t>(hw::ErrorCode::kAxiError);
    return value;
  }

  absl::Status WriteRegister(uint32_t address, uint32_t value) override {
    MSQ_RETURN_IF_ERROR(CheckAlive());
    if (address == hw::kCtrlRegister && hw::kCtrlApStart.Of(value) != 0) {
      ++faults_.programs;
      running_ = true;
      if (faults_.hangs) return absl::OkStatus();
      begins_at_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(faults_.delay_ms);
      pending_ = faults_.delay_ms > 0;
      if (pending_) return absl::OkStatus();
    }
    return device_->WriteRegister(address, value);
  }

  absl::Status WaitUntilEnded(absl::Duration patience, absl::Duration expected) override {
    if (faults_.hangs) {
      absl::SleepFor(patience);
      return absl::DeadlineExceededError("it hangs");
    }
    MSQ_RETURN_IF_ERROR(CheckAlive());
    const auto left = begins_at_ - std::chrono::steady_clock::now();
    absl::SleepFor(std::clamp(absl::FromChrono(left), absl::ZeroDuration(), patience));
    MSQ_RETURN_IF_ERROR(BeginIfDue());
    if (pending_) return absl::DeadlineExceededError("it has not begun");
    const absl::Status status = device_->WaitUntilEnded(patience, expected);
    if (status.ok()) running_ = false;
    return status;
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

  // A program that was delayed.
  absl::Status BeginIfDue() {
    if (std::chrono::steady_clock::now() < begins_at_ || !pending_.exchange(false)) return absl::OkStatus();
    return device_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
  }
  void CountTransfer() const {
    if (running_) ++faults_.transfers_beside;
  }

  const std::unique_ptr<Device> device_;
  std::atomic<int64_t> allocated_ = 0;
  std::atomic<bool> running_ = false, pending_ = false;
  std::chrono::steady_clock::time_point begins_at_ = {};
  BoardFaults& faults_;
  const std::string name_;
};

class FaultyDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(FaultyDevice* device, std::unique_ptr<DeviceBuffer> buffer) : device_(*device), buffer_(std::move(buffer)) {
    device_.allocated_ += std::ssize(buffer_->host_bytes());
  }
  ~Buffer() override { device_.allocated_ -= std::ssize(buffer_->host_bytes()); }

  uint64_t address() const override { return buffer_->address(); }
  std::span<std::byte> host_bytes() override { return buffer_->host_bytes(); }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    MSQ_RETURN_IF_ERROR(device_.CheckAlive());
    device_.CountTransfer();
    return buffer_->Upload(offset, bytes);
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    MSQ_RETURN_IF_ERROR(device_.CheckAlive());
    device_.CountTransfer();
    MSQ_RETURN_IF_ERROR(buffer_->Download(offset, bytes));
    const auto part = host_bytes().subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
    if (device_.faults_.wrong_bits) std::for_each(part.begin(), part.end(), [](std::byte& b) { b ^= std::byte{1}; });
    return absl::OkStatus();
  }

 private:
  FaultyDevice& device_;
  const std::unique_ptr<DeviceBuffer> buffer_;
};

absl::StatusOr<std::unique_ptr<DeviceBuffer>> FaultyDevice::Allocate(int64_t bytes) {
  if (bytes > faults_.memory - allocated_) return absl::ResourceExhaustedError(name_ + ": its memory is full");
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<DeviceBuffer> buffer, device_->Allocate(bytes));
  return std::make_unique<Buffer>(this, std::move(buffer));
}

}  // namespace

std::unique_ptr<Device> AddFaults(std::unique_ptr<Device> device, BoardFaults* faults, std::string name) {
  return std::make_unique<FaultyDevice>(std::move(device), faults, std::move(name));
}

}  // namespace msq::fpga::testing
