// From a model's folder, or what a load request brings instead, to versions that are ready to serve.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/served_model.h"

namespace msq::server {

// What is to be loaded: read before anything is, so that a wrong configuration costs nothing.
struct LoadPlan {
  std::string folder;
  inference::ModelConfig config;
  std::vector<int64_t> versions;             // ascending, never empty
  std::map<std::string, std::string> files;  // contents that stand for those on disk, by path in the folder
};

// `config_json` stands for the configuration on disk, `files` for all the versions on disk; empty ones for nothing. Logs
// the configuration's warnings. NOT_FOUND without a folder and files, or without a version to serve; INVALID_ARGUMENT
// for a configuration that cannot be.
absl::StatusOr<LoadPlan> PlanLoad(const std::string& folder, const std::string& name, const std::string& config_json,
                                  std::map<std::string, std::string> files);

// A version, loaded, checked against its configuration and warmed up. RESOURCE_EXHAUSTED without memory for it,
// UNAVAILABLE when `stop` is set before it is ready.
absl::StatusOr<std::shared_ptr<const ServedModel>> LoadVersion(const LoadPlan& plan, int64_t version,
                                                               const ModelRuntime& runtime,
                                                               const std::atomic<bool>& stop);

}  // namespace msq::server
