// A device for tests of what uses devices: the functional model behind registers, and faults at will.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "backends/fpga/device.h"
#include "hw/regs/configurations.h"

namespace msq::fpga::testing {

// What the test decides of one board, however often it is opened. Thread-safe.
struct FakeBoard {
  std::atomic<bool> dead{false};            // its driver answers nothing
  std::atomic<bool> hangs{false};           // programs do not end
  std::atomic<bool> bus_error{false};       // programs end with axi_error
  std::atomic<bool> wrong_build{false};     // the bitstream of another design
  std::atomic<bool> wrong_bits{false};      // programs change a bit of their outputs
  std::atomic<int64_t> memory{64ll << 20};  // bytes
  std::atomic<double> watts{0};             // that its driver tells; 0: it does not
  std::atomic<int> opened{0}, programs{0};
};

// The board must outlive its devices.
std::unique_ptr<Device> OpenFakeDevice(FakeBoard* board, const hw::Configuration& configuration, std::string name);

}  // namespace msq::fpga::testing
