// The hardware edge: registers and buffers. A board through XRT and what stands for one look alike from here on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace msq::fpga {

// Memory that host and accelerator share, each through a view of its own: what one writes the other sees after a
// transfer. Not thread-safe; buffers of one device may be used from several threads. Must go before its device.
class DeviceBuffer {
 public:
  virtual ~DeviceBuffer() = default;

  virtual uint64_t address() const = 0;           // in bytes, as the accelerator sees it; a multiple of 4096
  virtual std::span<std::byte> host_bytes() = 0;  // the host's view

  // Host's view to accelerator's, and back: `bytes` bytes from byte `offset` on, which must lie inside.
  virtual absl::Status Upload(int64_t offset, int64_t bytes) = 0;
  virtual absl::Status Download(int64_t offset, int64_t bytes) = 0;
};

// Thread-safe. Errors: UNAVAILABLE when the device or its driver does not work.
class Device {
 public:
  virtual ~Device() = default;

  virtual const std::string& name() const = 0;  // for logs and metrics: "emulated z020 model 0", "xrt 0"

  // RESOURCE_EXHAUSTED when the device's memory has no room.
  virtual absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) = 0;

  // The accelerator's registers: docs/hw/registers.md.
  virtual absl::StatusOr<uint32_t> ReadRegister(uint32_t address) = 0;
  virtual absl::Status WriteRegister(uint32_t address, uint32_t value) = 0;

  // Returns once the program that was started (ctrl.ap_start) has ended, well or not. It should take about `expected`.
  // DEADLINE_EXCEEDED if it has not in `patience`, by a clock that nobody sets; it may still run. One thread at a time.
  virtual absl::Status WaitUntilEnded(absl::Duration patience, absl::Duration expected) = 0;

  // What there is of memory, and what buffers take of it.
  struct Memory {
    std::optional<int64_t> bytes;
    std::optional<int64_t> used_bytes;
  };

  // What the driver knows; nothing where it does not.
  virtual std::optional<double> clock_hz() const { return std::nullopt; }  // of the accelerator
  virtual Memory memory() { return {}; }
  virtual std::optional<double> ReadPowerWatts() { return std::nullopt; }
};

}  // namespace msq::fpga
