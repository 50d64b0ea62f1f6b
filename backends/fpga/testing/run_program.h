// A lowered network run on the functional model, as a device would run it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/fpga/lowering/program.h"

namespace msq::fpga {

// One value per element, as the reference interpreter has them; one vector per graph output. With `order_seed` the
// instructions run in an order drawn from those that their waits allow.
absl::StatusOr<std::vector<std::vector<int32_t>>> RunProgram(const Program& program,
                                                             std::span<const std::vector<int32_t>> inputs,
                                                             std::optional<uint64_t> order_seed = std::nullopt);

}  // namespace msq::fpga
