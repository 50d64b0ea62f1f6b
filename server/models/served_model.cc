#include "server/models/served_model.h"

#include <algorithm>

#include "base/status.h"
#include "model/format/artifact.h"

namespace msq::server {
namespace {

using Layout = ir::InputDescription::Layout;

ir::Shape WireShape(const ir::Shape& shape, Layout layout) {
  if (layout == Layout::kNhwc) return {shape[1], shape[2], shape[0]};
  return shape;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Load(const std::string& path, int64_t version,
                                                                     const inference::ModelConfig& config,
                                                                     const BackendRegistry& registry,
                                                                     const PrepareOptions& options, Metrics* metrics) {
  MSQ_ASSIGN_OR_RETURN(ir::Model artifact, format::ReadFile(path));
  std::shared_ptr<ServedModel> model(new ServedModel);
  model->version_ = std::to_string(version);
  model->config_ = config;
  model->config_.clear_input();  // the artifact says what they are
  model->config_.clear_output();
  for (std::string_view name : registry.names()) {
    MSQ_ASSIGN_OR_RETURN(const Backend* backend, registry.Find(name));
    ServedBackend served;
    served.name = std::string(name);
    auto executable = backend->Prepare(artifact.graph, options);
    if (!executable.ok()) return WithContext(executable.status(), path, ": backend ", served.name);
    served.executable = *std::move(executable);
    served.metrics = std::make_unique<ModelMetrics>(metrics->ForModel(model->name(), model->version_, served.name));
    model->backends_.push_back(std::move(served));
  }
  if (model->backends_.empty()) return FailedPrecondition(path, ": there is no backend to run it on");
  model->DescribeTensors(std::move(artifact));
  model->CompleteConfig();
  return model;
}

// The artifact's reader has proven what InputCodec relies on: one description per tensor, layouts, means and deviations.
void ServedModel::DescribeTensors(ir::Model model) {
  const ir::Graph& graph = model.graph;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(graph.inputs[i])];
    const ir::InputDescription& description = model.inputs[i];
    inputs_.push_back({tensor.name, tensor.type, WireShape(tensor.type.shape, description.layout),
                       description.is_image(), InputCodec(tensor.type, description)});
    inference::ModelInput* input = config_.mutable_input()->Add();
    input->set_format(tensor.type.shape.size() != 3         ? inference::ModelInput::FORMAT_NONE
                      : description.layout == Layout::kNhwc ? inference::ModelInput::FORMAT_NHWC
                                                            : inference::ModelInput::FORMAT_NCHW);
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(graph.outputs[i])];
    ServedOutput output{tensor.name, tensor.type, std::move(model.outputs[i].labels), 0};
    for (const std::string& label : output.labels) output.longest_label = std::max(output.longest_label, label.size());
    outputs_.push_back(std::move(output));
  }
}

void ServedModel::CompleteConfig() {
  config_.set_platform("msq");
  if (config_.version_policy().policy_choice_case() == inference::ModelVersionPolicy::POLICY_CHOICE_NOT_SET) {
    config_.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    inference::ModelInput* input = config_.mutable_input(static_cast<int>(i));
    input->set_name(inputs_[i].name);
    input->set_data_type(inputs_[i].is_image ? inference::TYPE_UINT8 : inference::TYPE_FP32);
    input->mutable_dims()->Assign(inputs_[i].wire_shape.begin(), inputs_[i].wire_shape.end());
  }
  for (const ServedOutput& served : outputs_) {
    inference::ModelOutput* output = config_.add_output();
    output->set_name(served.name);
    output->set_data_type(inference::TYPE_FP32);
    output->mutable_dims()->Assign(served.type.shape.begin(), served.type.shape.end());
  }
}

absl::StatusOr<const ServedBackend*> ServedModel::FindBackend(std::string_view name) const {
  if (name.empty()) return &backends_.front();
  std::string names;
  for (const ServedBackend& backend : backends_) {
    if (backend.name == name) return &backend;
    absl::StrAppend(&names, names.empty() ? "" : ", ", backend.name);
  }
  return InvalidArgument("model '", config_.name(), "' has no backend '", std::string(name), "'; it has: ", names);
}

}  // namespace msq::server
