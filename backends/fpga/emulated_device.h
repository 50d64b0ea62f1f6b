// A device that is a simulated machine in this process.
#pragma once

#include <memory>
#include <string>

#include "backends/fpga/device.h"
#include "hw/sim/machine.h"

namespace msq::fpga {

struct EmulatedDeviceOptions {
  std::string name = "emulated";
  double clock_hz = 100e6;  // of the accelerator
  // Programs take as long as they would at clock_hz, so that load tests see a board's speed; else as long as the
  // simulation does.
  bool paced = false;
};

// Buffers have a host's copy of their own, as behind a cache: what is not uploaded is not there. Simulated time passes
// while a thread waits for a program's end.
std::unique_ptr<Device> CreateEmulatedDevice(std::unique_ptr<hw::Machine> machine, EmulatedDeviceOptions options);

}  // namespace msq::fpga
