// Any device with faults at will, for tests of what uses devices.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/fpga/device.h"

namespace msq::fpga::testing {

// What the test decides of one board, however often it is opened. Thread-safe.
struct BoardFaults {
  std::atomic<bool> dead{false};         // its driver answers nothing
  std::atomic<bool> hangs{false};        // programs do not end
  std::atomic<int> delay_ms{0};          // before a program begins
  std::atomic<bool> bus_error{false};    // programs end with axi_error at instruction 0
  std::atomic<bool> wrong_build{false};  // the bitstream of another design
  std::atomic<bool> wrong_bits{false};   // what comes from the device is wrong
  std::atomic<int64_t> memory{1 << 30};  // bytes
  std::atomic<double> watts{0};          // that its driver tells; 0: what the device tells
  std::atomic<int> opened{0}, programs{0};
  std::atomic<int> transfers_beside{0};  // of buffers while a program ran
};

// The device behind the faults, which must outlive it, by another name.
std::unique_ptr<Device> AddFaults(std::unique_ptr<Device> device, BoardFaults* faults, std::string name);

}  // namespace msq::fpga::testing
