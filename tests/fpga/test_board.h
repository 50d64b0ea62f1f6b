// The boards that the tests of the backend run on: one implementation a kind, each with the whole suite.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "backends/fpga/device.h"
#include "hw/regs/configurations.h"

namespace msq::fpga::testing {

// Board `index`, 0 or 1, with the design of `configuration`, which is tiny.
absl::StatusOr<std::unique_ptr<Device>> OpenTestBoard(const hw::Configuration& configuration, int index);

}  // namespace msq::fpga::testing
