// The accelerator on a board through AMD's XRT, or on one that the emulation driver stands for.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backends/fpga/device.h"

namespace msq::fpga {

struct XrtDeviceOptions {
  // "" for the driver that XRT finds: a board's. "emu:[LIBRARY][,KEY=VALUE]..." for the emulation of one, before XRT is
  // used first: docs/hw/xrt_emulation.md. One driver a process, but options may change from call to call.
  std::string driver;
  int index = 0;       // of the board
  std::string xclbin;  // file that describes the design
};

// Thread-safe. A board that is open may be opened again with the same .xclbin: it is not loaded anew, and at most one of
// the openers is to run programs. Of the accelerator only the .xclbin is checked, not what its registers say. Errors:
// UNAVAILABLE when XRT, the driver or the board does not work; NOT_FOUND or DATA_LOSS for the file; INVALID_ARGUMENT for
// options that are not understood; FAILED_PRECONDITION for another driver than the process has, another .xclbin than the
// board has, or one that is not ours; UNIMPLEMENTED in a build without XRT.
absl::StatusOr<std::unique_ptr<Device>> OpenXrtDevice(const XrtDeviceOptions& options);

}  // namespace msq::fpga
