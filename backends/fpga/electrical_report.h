// XRT's report on voltages and currents, which is JSON: what the board draws.
#pragma once

#include <optional>
#include <string_view>

namespace msq::fpga {

// The report's power_consumption_watts. Nothing where it has none that is a positive number: XRT writes "N/A" or 0 for
// what a board does not measure.
std::optional<double> ParsePowerWatts(std::string_view report);

}  // namespace msq::fpga
