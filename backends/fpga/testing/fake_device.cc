#include "backends/fpga/testing/fake_device.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/status.h"
#include "hw/regs/isa.h"
#include "hw/regs/registers.h"
#include "hw/sim/dram_allocator.h"
#include "hw/sim/functional_model.h"

namespace msq::fpga::testing {
namespace {

constexpr uint64_t kBase = 0x1000'0000;
constexpr size_t kMemoryBytes = 64 << 20;

class FakeDevice final : public Device {
 public:
  FakeDevice(const hw::Configuration& c, std::string name)
      : name_(std::move(name)), dram_(kMemoryBytes), allocator_(kBase, dram_.size()), model_(c, hw::ModelChecks::kAll) {
    registers_[hw::kIdRegister] = hw::kIdValue;
    registers_[hw::kIsaVersionRegister] = hw::kIsaVersion;
    registers_[hw::kBuildIdRegister] = c.build_id;
    const auto byte = [](int value, int lsb) { return static_cast<uint32_t>(value) << lsb; };
    registers_[hw::kConfigArrayRegister] = byte(c.p, 0) | byte(c.f, 8) | byte(c.s, 16) | byte(c.q, 24);
    const int wdepth_log2 = std::countr_zero(static_cast<unsigned>(c.wdepth));
    registers_[hw::kConfigMemoryRegister] =
        byte(c.banks, 0) | byte(c.ports, 8) | byte(wdepth_log2, 16) | byte(c.loads, 24) | byte(c.vecs, 28);
    registers_[hw::kConfigDepthRegister] = static_cast<uint32_t>(c.depth);
    registers_[hw::kCtrlRegister] = hw::kCtrlApIdle.mask();
  }

  const std::string& name() const override { return name_; }
  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) override;

  absl::StatusOr<uint32_t> ReadRegister(uint32_t address) override {
    std::lock_guard lock(mutex_);
    return registers_[address];
  }

  absl::Status WriteRegister(uint32_t address, uint32_t value) override {
    std::lock_guard lock(mutex_);
    registers_[address] = value;
    if (address == hw::kCtrlRegister) RunProgram();
    return absl::OkStatus();
  }

  absl::Status WaitUntilEnded(absl::Duration, absl::Duration) override { return absl::OkStatus(); }

 private:
  class Buffer;

  uint64_t Read64(uint32_t lower) { return uint64_t{registers_[lower + 4]} << 32 | registers_[lower]; }

  void RunProgram() {
    const uint64_t window = Read64(hw::kDramBaseLoRegister), bytes = Read64(hw::kDramSizeLoRegister);
    const std::span<std::byte> memory(dram_.data() + (window - kBase), static_cast<size_t>(bytes));
    const hw::ProgramEnd end = model_.Run({memory, window}, Read64(hw::kProgAddrLoRegister));
    registers_[hw::kStatusRegister] = static_cast<uint32_t>(end.error);
    registers_[hw::kErrorIndexRegister] = static_cast<uint32_t>(end.instruction);
    registers_[hw::kCyclesLoRegister] = 1000;
    registers_[hw::kStepsLoRegister] = 900;
    registers_[hw::kCtrlRegister] = hw::kCtrlApIdle.mask() | hw::kCtrlApDone.mask();
  }

  const std::string name_;
  std::mutex mutex_;
  std::vector<std::byte> dram_;
  hw::DramAllocator allocator_;
  hw::FunctionalModel model_;
  std::map<uint32_t, uint32_t> registers_;
};

class FakeDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(FakeDevice* device, uint64_t address, size_t bytes) : device_(*device), address_(address), host_(bytes) {}
  ~Buffer() override {
    std::lock_guard lock(device_.mutex_);
    device_.allocator_.Free(address_);
  }
  uint64_t address() const override { return address_; }
  std::span<std::byte> host_bytes() override { return host_; }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    std::lock_guard lock(device_.mutex_);
    std::copy_n(host_.begin() + offset, bytes, Dram(offset));
    return absl::OkStatus();
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    std::lock_guard lock(device_.mutex_);
    std::copy_n(Dram(offset), bytes, host_.begin() + offset);
    return absl::OkStatus();
  }

 private:
  std::byte* Dram(int64_t offset) const { return device_.dram_.data() + (address_ - kBase) + offset; }

  FakeDevice& device_;
  const uint64_t address_;
  std::vector<std::byte> host_;
};

absl::StatusOr<std::unique_ptr<DeviceBuffer>> FakeDevice::Allocate(int64_t bytes) {
  std::lock_guard lock(mutex_);
  const auto size = static_cast<uint64_t>(bytes);
  const std::optional<uint64_t> address = allocator_.Allocate(size);
  if (!address) return absl::ResourceExhaustedError(name_ + ": its memory is full");
  return std::make_unique<Buffer>(this, *address, size);
}

}  // namespace

std::unique_ptr<Device> OpenFakeDevice(const hw::Configuration& configuration, std::string name) {
  return std::make_unique<FakeDevice>(configuration, std::move(name));
}

}  // namespace msq::fpga::testing
