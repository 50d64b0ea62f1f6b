// instance_group: on which backends a model runs, and how many batches of it at a time.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/model_config.pb.h"

namespace msq::server {

struct InstanceGroup {
  std::string backend;
  int count = 1;
  double weight = 1;  // share of the backend beside other models: 1 / rate_limiter.priority
};

// In the order of the configuration, one entry a backend; a group of each backend that there is for a configuration
// that has none, with `default_count` instances. A group's backend is its `host_policy`, else "cpu" for KIND_CPU, else
// the first. INVALID_ARGUMENT for a backend that does not exist and for counts that are not in 1..64.
absl::StatusOr<std::vector<InstanceGroup>> ReadInstanceGroups(const inference::ModelConfig& config,
                                                              std::span<const std::string> backends, int default_count);

}  // namespace msq::server
