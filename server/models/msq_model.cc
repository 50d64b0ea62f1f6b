#include "server/models/msq_model.h"

#include <algorithm>
#include <filesystem>

#include "base/status.h"
#include "model/format/artifact.h"
#include "server/models/instance_groups.h"
#include "server/models/msq_instance.h"
#include "server/models/msq_platform.h"

namespace msq::server {
namespace {

using Layout = ir::InputDescription::Layout;

constexpr char kArtifactName[] = "model.msq";

absl::StatusOr<ir::Model> ReadArtifact(const ModelSource& source) {
  const std::string name = absl::StrCat(source.version, "/", kArtifactName);
  if (const auto given = source.files.find(name); given != source.files.end()) {
    auto model = format::Parse(given->second);
    return model.ok() ? std::move(model) : WithContext(model.status(), "file:", name);
  }
  const std::string path = absl::StrCat(source.folder, "/", name);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return NotFound(path, ": is no file");
  return format::ReadFile(path);
}

Dims WireDims(const ir::Shape& shape, Layout layout) {
  if (layout == Layout::kNhwc) return {shape[1], shape[2], shape[0]};
  return {shape.begin(), shape.end()};
}

// The number of the state whose tensor is `name`, or -1.
int StateOf(const inference::ModelConfig& config, const std::string& name, bool input) {
  const auto& states = config.sequence_batching().state();
  for (int i = 0; i < states.size(); ++i) {
    if ((input ? states[i].input_name() : states[i].output_name()) == name) return i;
  }
  return -1;
}

// The data type that the configuration wants told for an input.
inference::DataType AskedType(const inference::ModelConfig& config, const std::string& input) {
  for (const inference::ModelInput& asked : config.input()) {
    if (asked.name() == input) return asked.data_type();
  }
  return inference::TYPE_INVALID;
}

bool SameCodes(const ir::TensorType& a, const ir::TensorType& b) {
  using Kind = ir::TensorType::Kind;
  return a.kind == Kind::kCode && b.kind == Kind::kCode && a.shape == b.shape && a.bits == b.bits &&
         a.scale == b.scale && a.zero_point == b.zero_point;
}

class MsqPlatform final : public Platform {
 public:
  MsqPlatform(const BackendRegistry& registry, const PrepareOptions& options)
      : registry_(registry), options_(options) {}
  std::string_view name() const override { return kMsqPlatform; }
  absl::StatusOr<std::unique_ptr<Servable>> Load(const ModelSource& source) const override {
    return MsqModel::Load(source, registry_, options_);
  }

 private:
  const BackendRegistry& registry_;
  const PrepareOptions options_;
};

}  // namespace

std::unique_ptr<Platform> CreateMsqPlatform(const BackendRegistry& registry, const PrepareOptions& options) {
  return std::make_unique<MsqPlatform>(registry, options);
}

absl::StatusOr<std::unique_ptr<MsqModel>> MsqModel::Load(const ModelSource& source, const BackendRegistry& registry,
                                                         const PrepareOptions& options) {
  std::unique_ptr<MsqModel> model(new MsqModel);
  model->description_.version = std::to_string(source.version);
  model->description_.config = source.config;
  std::vector<std::string> names;
  for (std::string_view name : registry.names()) names.emplace_back(name);
  if (names.empty()) return FailedPrecondition("there is no backend to run it on");
  MSQ_ASSIGN_OR_RETURN(const std::vector<InstanceGroup> groups, ReadInstanceGroups(source.config, names, 1));
  MSQ_ASSIGN_OR_RETURN(ir::Model artifact, ReadArtifact(source));
  for (const InstanceGroup& group : groups) {
    MSQ_ASSIGN_OR_RETURN(const Backend* backend, registry.Find(group.backend));
    PrepareOptions labelled = options;
    labelled.label = absl::StrCat(source.config.name(), " version ", source.version);
    auto executable = backend->Prepare(artifact.graph, labelled);
    if (!executable.ok()) return WithContext(executable.status(), source.folder, ": backend ", group.backend);
    model->backends_.push_back(group.backend);
    model->executables_.push_back(*std::move(executable));
  }
  MSQ_RETURN_IF_ERROR(model->DescribeTensors(std::move(artifact)));
  return model;
}

const Executable* MsqModel::ExecutableOn(std::string_view backend) const {
  const auto it = std::find(backends_.begin(), backends_.end(), backend);
  return it == backends_.end() ? nullptr : executables_[static_cast<size_t>(it - backends_.begin())].get();
}

bool MsqModel::ready(std::string_view backend) const {
  const Executable* executable = ExecutableOn(backend);
  return executable != nullptr && executable->ready();
}

int64_t MsqModel::preferred_batch(std::string_view backend) const {
  const Executable* executable = ExecutableOn(backend);
  return executable == nullptr ? 1 : executable->preferred_batch();
}

absl::StatusOr<std::unique_ptr<Instance>> MsqModel::NewInstance(std::string_view backend) const {
  const Executable* executable = ExecutableOn(backend);
  if (executable == nullptr)
    return NotFound("model '", description_.name(), "' is not on '", std::string(backend), "'");
  return std::make_unique<MsqInstance>(*this, *executable);
}

int64_t MsqModel::WeightBytes(std::string_view backend) const {
  const Executable* executable = ExecutableOn(backend);
  return executable == nullptr ? 0 : executable->weight_bytes();
}

// The artifact's reader has proven what InputCodec relies on: one description per tensor, layouts, means and deviations.
absl::Status MsqModel::DescribeTensors(ir::Model model) {
  const ir::Graph& graph = model.graph;
  inference::ModelConfig& config = description_.config;
  MSQ_RETURN_IF_ERROR(CheckStates(graph));
  config.set_platform(std::string(kMsqPlatform));
  const inference::ModelConfig asked = config;
  config.clear_input();  // the artifact says what they are
  config.clear_output();
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(graph.inputs[i])];
    if (const int state = StateOf(config, tensor.name, true); state >= 0) {
      inputs_.push_back({tensor.type, std::nullopt, static_cast<size_t>(state)});
      continue;
    }
    const ir::InputDescription& wire = model.inputs[i];
    inputs_.push_back({tensor.type, InputCodec(tensor.type, wire), description_.inputs.size()});
    std::vector<Datatype> datatypes = {Datatype::kFp32, Datatype::kUint8};
    if (wire.is_image()) std::swap(datatypes[0], datatypes[1]);
    if (AskedType(asked, tensor.name) == static_cast<inference::DataType>(datatypes[1])) {
      std::swap(datatypes[0], datatypes[1]);
    }
    description_.inputs.push_back({tensor.name, datatypes, WireDims(tensor.type.shape, wire.layout)});
    inference::ModelInput* input = config.add_input();
    input->set_name(tensor.name);
    input->set_data_type(static_cast<inference::DataType>(datatypes[0]));
    input->set_format(tensor.type.shape.size() != 3  ? inference::ModelInput::FORMAT_NONE
                      : wire.layout == Layout::kNhwc ? inference::ModelInput::FORMAT_NHWC
                                                     : inference::ModelInput::FORMAT_NCHW);
    const Dims& dims = description_.inputs.back().dims;
    input->mutable_dims()->Assign(dims.begin(), dims.end());
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(graph.outputs[i])];
    outputs_.push_back(tensor.type);
    if (const int state = StateOf(config, tensor.name, false); state >= 0) {
      state_outputs_.push_back({i, static_cast<size_t>(state)});
      continue;
    }
    graph_outputs_.push_back(i);
    const ir::Shape& shape = tensor.type.shape;
    OutputDescription output{tensor.name, Datatype::kFp32, {shape.begin(), shape.end()}, {}, 0};
    output.labels = std::move(model.outputs[i].labels);
    for (const std::string& label : output.labels) output.longest_label = std::max(output.longest_label, label.size());
    inference::ModelOutput* told = config.add_output();
    told->set_name(output.name);
    told->set_data_type(inference::TYPE_FP32);
    told->mutable_dims()->Assign(output.dims.begin(), output.dims.end());
    description_.outputs.push_back(std::move(output));
  }
  return absl::OkStatus();
}

// Each state is an input and an output of the graph that hold the same codes.
absl::Status MsqModel::CheckStates(const ir::Graph& graph) const {
  const auto find = [&graph](const std::vector<ir::TensorId>& ids, const std::string& name) -> const ir::Tensor* {
    for (ir::TensorId id : ids) {
      if (graph.tensors[static_cast<size_t>(id)].name == name) return &graph.tensors[static_cast<size_t>(id)];
    }
    return nullptr;
  };
  const auto& states = description_.config.sequence_batching().state();
  for (int i = 0; i < states.size(); ++i) {
    const ir::Tensor* input = find(graph.inputs, states[i].input_name());
    const ir::Tensor* output = find(graph.outputs, states[i].output_name());
    const std::string field = absl::StrCat("sequence_batching.state[", i, "]");
    if (input == nullptr) return InvalidArgument(field, ": the network has no input '", states[i].input_name(), "'");
    if (output == nullptr) {
      return InvalidArgument(field, ": the network has no output '", states[i].output_name(), "'");
    }
    if (!SameCodes(input->type, output->type)) {
      return InvalidArgument(field, ": input '", input->name, "' and output '", output->name,
                             "' differ in shape, bits, scale or zero point");
    }
  }
  return absl::OkStatus();
}

}  // namespace msq::server
