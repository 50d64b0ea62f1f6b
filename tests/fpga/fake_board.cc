// Boards that are the functional model.
#include "backends/fpga/testing/fake_device.h"
#include "tests/fpga/test_board.h"

namespace msq::fpga::testing {

absl::StatusOr<std::unique_ptr<Device>> OpenTestBoard(const hw::Configuration& configuration, int index) {
  return OpenFakeDevice(configuration, "fake " + std::to_string(index));
}

}  // namespace msq::fpga::testing
