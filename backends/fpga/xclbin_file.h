// Reads an .xclbin and checks that it is whole: XRT 2.13 crashes on a file that is not.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::fpga {

// The container alone is checked, and that the tables of IPs, memories and connections are as long as they say.
// NOT_FOUND, or DATA_LOSS that says what is wrong.
absl::StatusOr<std::vector<char>> ReadXclbin(const std::string& path);

}  // namespace msq::fpga
