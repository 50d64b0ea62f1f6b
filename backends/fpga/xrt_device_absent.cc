// A build without XRT: there are no boards.
#include "absl/status/status.h"
#include "backends/fpga/xrt_device.h"

namespace msq::fpga {

absl::StatusOr<std::unique_ptr<Device>> OpenXrtDevice(const XrtDeviceOptions& /*options*/) {
  return absl::UnimplementedError("this build has no XRT: install libxrt-dev and configure it again");
}

}  // namespace msq::fpga
