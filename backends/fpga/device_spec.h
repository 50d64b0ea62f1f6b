// How a device is told on a command line: a kind, then options as key=value, separated by commas.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/fpga/fpga_backend.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

struct DeviceSpec {
  std::string backend = "fpga";  // that it belongs to; all devices of a backend have one configuration
  hw::Configuration configuration = {};
  FpgaDevice device = {};
  std::string board = {};  // "XRT's board 0": no two devices may be one; empty: it has one of its own
};

// What ParseDeviceSpec takes, for --help. The driver's own options follow it to the end: OpenXrtDevice.
inline constexpr std::string_view kDeviceSpecHelp =
    "emulated[,configuration=z020][,fidelity=model|rtl][,clock-mhz=100][,paced=true][,memory-mb=64][,hang-ms=N]"
    "[,faults=hang@N;slverr@N;flip@N][,backend=fpga] | "
    "xrt,xclbin=FILE[,index=0][,configuration=z020][,hang-ms=N][,backend=fpga][,driver=emu:...]";

// INVALID_ARGUMENT that names what is wrong. The device's name is the kind and the configuration, with `number`.
absl::StatusOr<DeviceSpec> ParseDeviceSpec(std::string_view text, int number);

}  // namespace msq::fpga
