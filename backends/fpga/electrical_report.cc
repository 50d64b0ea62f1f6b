#include "backends/fpga/electrical_report.h"

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"

namespace msq::fpga {

std::optional<double> ParsePowerWatts(std::string_view report) {
  const auto json = nlohmann::json::parse(report, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto found = json.find("power_consumption_watts");
  if (found == json.end()) return std::nullopt;
  double watts = 0;
  if (found->is_number()) {
    watts = found->get<double>();
  } else if (!found->is_string() || !absl::SimpleAtod(found->get_ref<const std::string&>(), &watts)) {
    return std::nullopt;
  }
  return std::isfinite(watts) && watts > 0 ? std::optional(watts) : std::nullopt;
}

}  // namespace msq::fpga
