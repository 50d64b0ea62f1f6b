// The settings of Triton's trace extension: as text on the wire, as numbers here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::server {

// Setting name to its values, as in TraceSettingRequest and its response.
using TraceSettingMap = std::map<std::string, std::vector<std::string>>;

// What is set; the rest follows the next level: a model's follow the global ones, those the command line's.
struct TraceSettings {
  std::optional<bool> timestamps;         // trace_level
  std::optional<uint32_t> rate;           // one request in so many
  std::optional<int64_t> count;           // traces left; -1: no limit
  std::optional<uint32_t> log_frequency;  // traces a file; 0: one file for all

  bool operator==(const TraceSettings&) const = default;

  // Changes what the map names; an empty list of values clears. On an error nothing has changed.
  absl::Status Update(const TraceSettingMap& changes);
  // These settings, and those of `next` where nothing is set.
  TraceSettings Over(const TraceSettings& next) const;
};

// All settings, for a response. Everything in `settings` must be set.
TraceSettingMap ToMap(const TraceSettings& settings, const std::string& trace_file);

}  // namespace msq::server
