// Boards behind the real XRT library, which the emulation driver stands for.
#include "backends/fpga/xrt_device.h"
#include "tests/fpga/test_board.h"

namespace msq::fpga::testing {

absl::StatusOr<std::unique_ptr<Device>> OpenTestBoard(const hw::Configuration&, int index) {
  return OpenXrtDevice(
      {.driver = "emu:,devices=2,memory=ideal", .index = index, .xclbin = MSQ_XCLBIN_DIR "/tiny_test.xclbin"});
}

}  // namespace msq::fpga::testing
