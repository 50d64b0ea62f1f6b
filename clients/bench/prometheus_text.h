// Reads what a /metrics endpoint serves: Prometheus' text format.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::bench {

struct Series {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  // Empty when there is no such label.
  const std::string& Label(const std::string& key) const;
};

// DATA_LOSS naming the line that is no series. Comments, types and time stamps are passed over.
absl::StatusOr<std::vector<Series>> ParsePrometheusText(std::string_view text);

}  // namespace msq::bench
