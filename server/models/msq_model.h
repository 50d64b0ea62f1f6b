// A version of the platform `msq`, loaded: the artifact prepared on its backends, and how tensors of the wire map to the
// graph's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/registry.h"
#include "model/ir/model.h"
#include "server/models/platform.h"
#include "server/models/tensor_codec.h"

namespace msq::server {

// Immutable, so thread-safe.
class MsqModel final : public Servable {
 public:
  // A graph input: fed by a client's tensor, or by the state of a sequence where there is no codec.
  struct InputPort {
    ir::TensorType type;
    std::optional<InputCodec> codec;
    size_t index = 0;  // of the tensor among the model's inputs, or of the state
  };
  // A graph output that is kept as the state for the next step.
  struct StateOutput {
    size_t output = 0;  // of the graph
    size_t state = 0;
  };

  // INVALID_ARGUMENT and DATA_LOSS as the artifact's reader says; UNIMPLEMENTED when a backend lacks an operator.
  static absl::StatusOr<std::unique_ptr<MsqModel>> Load(const ModelSource& source, const BackendRegistry& registry,
                                                        const PrepareOptions& options);

  const ModelDescription& description() const override { return description_; }
  const std::vector<std::string>& backends() const override { return backends_; }
  bool ready(std::string_view backend) const override;
  int64_t preferred_batch(std::string_view backend) const override;
  absl::StatusOr<std::unique_ptr<Instance>> NewInstance(std::string_view backend) const override;
  int64_t WeightBytes(std::string_view backend) const override;

  const std::vector<InputPort>& inputs() const { return inputs_; }
  const std::vector<ir::TensorType>& outputs() const { return outputs_; }
  // The graph's output that the model's output number `i` is.
  size_t graph_output(size_t i) const { return graph_outputs_[i]; }
  const std::vector<StateOutput>& state_outputs() const { return state_outputs_; }

 private:
  MsqModel() = default;
  const Executable* ExecutableOn(std::string_view backend) const;  // null where there is none
  absl::Status DescribeTensors(ir::Model model);
  absl::Status CheckStates(const ir::Graph& graph) const;

  ModelDescription description_;
  std::vector<InputPort> inputs_;
  std::vector<ir::TensorType> outputs_;
  std::vector<size_t> graph_outputs_;
  std::vector<StateOutput> state_outputs_;
  std::vector<std::string> backends_;
  std::vector<std::unique_ptr<const Executable>> executables_;  // one a backend
};

}  // namespace msq::server
