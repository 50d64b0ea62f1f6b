// One loaded version of one model: the artifact prepared on its backends and everything a request needs to use it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/registry.h"
#include "model/ir/model.h"
#include "proto/inference.pb.h"
#include "server/models/tensor_codec.h"
#include "server/observe/metrics.h"

namespace msq::server {

struct ServedInput {
  std::string name;
  ir::TensorType type;
  ir::Shape wire_shape;  // of one sample, as clients see it
  bool is_image = false;
  InputCodec codec;
};

struct ServedOutput {
  std::string name;
  ir::TensorType type;
  std::vector<std::string> labels;
  size_t longest_label = 0;  // bytes
};

// A model on one backend.
struct ServedBackend {
  std::string name;
  std::unique_ptr<const Executable> executable;
  std::unique_ptr<ModelMetrics> metrics;
};

// Immutable but for its metrics, so thread-safe. Shared by the repository and the requests under way.
class ServedModel {
 public:
  // Reads the artifact and prepares it on every backend of the registry. `config` is completed with what the artifact
  // says. The error names the cause; UNIMPLEMENTED when a backend lacks an operator.
  static absl::StatusOr<std::shared_ptr<const ServedModel>> Load(const std::string& path, int64_t version,
                                                                 const inference::ModelConfig& config,
                                                                 const BackendRegistry& registry,
                                                                 const PrepareOptions& options, Metrics* metrics);

  const std::string& name() const { return config_.name(); }
  const std::string& version() const { return version_; }
  int64_t max_batch_size() const { return config_.max_batch_size(); }
  const inference::ModelConfig& config() const { return config_; }
  const std::vector<ServedInput>& inputs() const { return inputs_; }
  const std::vector<ServedOutput>& outputs() const { return outputs_; }

  // The backend of that name, the default one for an empty name, or INVALID_ARGUMENT listing the names there are.
  absl::StatusOr<const ServedBackend*> FindBackend(std::string_view name) const;
  const ServedBackend& default_backend() const { return backends_.front(); }

 private:
  ServedModel() = default;
  void DescribeTensors(ir::Model model);
  void CompleteConfig();

  std::string version_;
  inference::ModelConfig config_;
  std::vector<ServedInput> inputs_;
  std::vector<ServedOutput> outputs_;
  std::vector<ServedBackend> backends_;
};

}  // namespace msq::server
