// A device for tests of what uses devices: the functional model behind registers, without time.
#pragma once

#include <memory>
#include <string>

#include "backends/fpga/device.h"
#include "hw/regs/configurations.h"

namespace msq::fpga::testing {

// With 64 MiB of memory. A program has ended when its start is written, after 1000 cycles.
std::unique_ptr<Device> OpenFakeDevice(const hw::Configuration& configuration, std::string name);

}  // namespace msq::fpga::testing
