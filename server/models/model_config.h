// config.pbtxt: reading a model's configuration from its folder, or from the JSON that a load request brings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/model_config.pb.h"

namespace msq::server {

inline constexpr int kDefaultMaxBatchSize = 64;
inline constexpr int kLargestMaxBatchSize = 1 << 16;
inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;

struct ReadConfigResult {
  inference::ModelConfig config;      // name is always set; max_batch_size is kDefaultMaxBatchSize unless given
  std::vector<std::string> warnings;  // fields that this daemon does not know or does not act on
};

// The configuration in the file `path`. Without such a file requests are put together as they come: the defaults and
// `dynamic_batching {}`. INVALID_ARGUMENT names file, line and cause.
absl::StatusOr<ReadConfigResult> ReadModelConfig(const std::string& path, const std::string& model_name);

// The same from JSON, as protobuf maps it. INVALID_ARGUMENT names the cause.
absl::StatusOr<ReadConfigResult> ParseModelConfigJson(std::string_view json, const std::string& model_name);

// The versions that the policy chooses out of those that there are (any order), ascending. Default: the latest one.
// Versions that it names and that are not there are none: `missing` is set to them, ascending.
std::vector<int64_t> ChooseVersions(const inference::ModelVersionPolicy& policy, std::vector<int64_t> present,
                                    std::vector<int64_t>* missing);

}  // namespace msq::server
