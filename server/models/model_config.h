// config.pbtxt: reading a model's configuration from its folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/model_config.pb.h"

namespace msq::server {

inline constexpr int kDefaultMaxBatchSize = 64;
inline constexpr int kLargestMaxBatchSize = 1 << 16;

struct ReadConfigResult {
  inference::ModelConfig config;      // name and max_batch_size are always set
  std::vector<std::string> warnings;  // fields that this daemon does not know or does not act on
};

// The configuration in `path`, or the defaults when there is no such file. INVALID_ARGUMENT names file, line and cause.
absl::StatusOr<ReadConfigResult> ReadModelConfig(const std::string& path, const std::string& model_name);

// The versions that the policy chooses out of those in the folder (any order), ascending. Default: the latest one.
std::vector<int64_t> ChooseVersions(const inference::ModelVersionPolicy& policy, std::vector<int64_t> present);

}  // namespace msq::server
