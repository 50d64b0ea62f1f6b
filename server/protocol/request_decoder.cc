#include "server/protocol/request_decoder.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "base/status.h"

namespace msq::server {
namespace {

using inference::InferParameter;
using inference::ModelInferRequest;
using InputTensor = ModelInferRequest::InferInputTensor;
using Parameters = google::protobuf::Map<std::string, InferParameter>;

// Of one class beside its label: length, value (47 digits for the largest float), index, two colons.
constexpr int64_t kClassBytes = 72;

enum class Datatype : uint8_t { kUint8, kFp32 };

// One input of a request, found and checked but not converted.
struct WireInput {
  const InputTensor* tensor = nullptr;
  const std::string* raw = nullptr;  // null: typed contents
  Datatype datatype = Datatype::kFp32;
  bool normalized = false;
};

template <typename... Parts>
absl::Status Reject(const ModelInferRequest& request, const Parts&... parts) {
  return InvalidArgument("[request id: ", request.id().empty() ? "<id_unknown>" : request.id(), "] ", parts...);
}

constexpr unsigned Kind(InferParameter::ParameterChoiceCase choice) {
  return 1u << choice;
}

// Request parameters of the protocol, and what they may be. All but `backend` have no effect on the models served here.
struct KnownParameter {
  std::string_view key;
  unsigned kinds;
  std::string_view kinds_text;
};
constexpr KnownParameter kKnownParameters[] = {
    {"backend", Kind(InferParameter::kStringParam), "a string"},
    {"priority", Kind(InferParameter::kInt64Param) | Kind(InferParameter::kUint64Param), "an int64 or a uint64"},
    {"sequence_end", Kind(InferParameter::kBoolParam), "a bool"},
    {"sequence_id", Kind(InferParameter::kInt64Param) | Kind(InferParameter::kStringParam), "an int64 or a string"},
    {"sequence_start", Kind(InferParameter::kBoolParam), "a bool"},
    {"timeout", Kind(InferParameter::kInt64Param) | Kind(InferParameter::kUint64Param), "an int64 or a uint64"},
    {"triton_enable_empty_final_response", Kind(InferParameter::kBoolParam), "a bool"},
};

// The backend asked for, empty for any.
absl::StatusOr<std::string> CheckParameters(const ModelInferRequest& request) {
  std::string backend;
  for (const auto& [key, value] : request.parameters()) {
    const auto known = std::find_if(std::begin(kKnownParameters), std::end(kKnownParameters),
                                    [&key = key](const KnownParameter& one) { return one.key == key; });
    if (known != std::end(kKnownParameters)) {
      if ((known->kinds & Kind(value.parameter_choice_case())) == 0) {
        return Reject(request, "parameter '", key, "' must be ", std::string(known->kinds_text));
      }
      if (key == "backend") backend = value.string_param();
    } else if (absl::StartsWith(key, "triton_")) {
      return Reject(request, "parameter keys starting with 'triton_' are reserved, got '", key, "'");
    } else if (value.has_uint64_param()) {
      return Reject(request, "parameter '", key, "' has the type uint64, which only 'priority' and 'timeout' may have");
    }
  }
  return backend;
}

absl::StatusOr<Datatype> CheckDatatype(const ModelInferRequest& request, const ServedModel& model,
                                       const ServedInput& input, const InputTensor& tensor) {
  if (tensor.datatype() == "UINT8") return Datatype::kUint8;
  if (tensor.datatype() == "FP32") return Datatype::kFp32;
  return Reject(request, "inference input '", input.name, "' data-type is '", tensor.datatype(), "', but model '",
                model.name(), "' expects '", input.is_image ? "UINT8" : "FP32", "' (or '",
                input.is_image ? "FP32" : "UINT8", "')");
}

// The batch size that the shape states.
absl::StatusOr<int64_t> CheckShape(const ModelInferRequest& request, const ServedModel& model, const ServedInput& input,
                                   const InputTensor& tensor) {
  const bool batching = model.max_batch_size() > 0;
  const ir::Shape shape(tensor.shape().begin(), tensor.shape().end());
  ir::Shape expected = input.wire_shape;
  if (batching) expected.insert(expected.begin(), -1);
  const bool fits = shape.size() == expected.size() &&
                    std::equal(shape.begin() + batching, shape.end(), expected.begin() + batching) &&
                    (!batching || shape[0] >= 1);
  if (!fits) {
    return Reject(request, "unexpected shape for input '", input.name, "' for model '", model.name(), "'. Expected ",
                  ir::ToString(expected), ", got ", ir::ToString(shape), ".");
  }
  if (!batching) return 1;
  if (shape[0] > model.max_batch_size()) {
    return Reject(request, "inference request batch-size must be <= ", model.max_batch_size(), " for '", model.name(),
                  "', got ", shape[0]);
  }
  return shape[0];
}

// Elements that a request holds for an input, from its bytes or typed contents.
absl::Status CheckSize(const ModelInferRequest& request, const ServedModel& model, const ServedInput& input,
                       const WireInput& wire, int64_t batch) {
  const int64_t elements = batch * ir::ElementCount(input.wire_shape);
  const int64_t element_size = wire.datatype == Datatype::kUint8 ? 1 : 4;
  int64_t size = 0;
  if (wire.raw != nullptr) {
    size = static_cast<int64_t>(wire.raw->size());
  } else {
    const auto& contents = wire.tensor->contents();
    size = element_size *
           (wire.datatype == Datatype::kUint8 ? contents.uint_contents_size() : contents.fp32_contents_size());
    if (size == 0) {
      return Reject(request, "unable to find data for input tensor '", input.name, "' for model '", model.name(), "'");
    }
    const auto& bytes = contents.uint_contents();
    if (wire.datatype == Datatype::kUint8 &&
        std::any_of(bytes.begin(), bytes.end(), [](uint32_t v) { return v > 255; })) {
      return Reject(request, "uint_contents of input '", input.name, "' holds a value over 255");
    }
  }
  if (size == elements * element_size) return absl::OkStatus();
  return Reject(request, "input byte size mismatch for input '", input.name, "' for model '", model.name(),
                "'. Expected ", elements * element_size, ", got ", size);
}

void Convert(const ServedInput& input, const WireInput& wire, AlignedBuffer* codes) {
  const std::span<uint8_t> out(codes->as<uint8_t>(), codes->size());
  if (wire.datatype == Datatype::kUint8) {
    if (wire.raw != nullptr) return input.codec.EncodeUint8(*wire.raw, out);
    const auto& values = wire.tensor->contents().uint_contents();
    return input.codec.EncodeUint8(std::string(values.begin(), values.end()), out);
  }
  if (wire.raw != nullptr) return input.codec.EncodeFloat(*wire.raw, wire.normalized, out);
  const auto& values = wire.tensor->contents().fp32_contents();
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), static_cast<size_t>(values.size()) * 4);
  input.codec.EncodeFloat(bytes, wire.normalized, out);
}

// Pairs the request's tensors with the model's inputs, in the model's order.
absl::StatusOr<std::vector<WireInput>> FindInputs(const ModelInferRequest& request, const ServedModel& model) {
  const auto& inputs = model.inputs();
  if (static_cast<size_t>(request.inputs_size()) != inputs.size()) {
    return Reject(request, "expected ", inputs.size(), " inputs but got ", request.inputs_size(), " inputs for model '",
                  model.name(), "'");
  }
  if (request.raw_input_contents_size() > request.inputs_size()) {
    return Reject(request, "raw_input_contents has ", request.raw_input_contents_size(), " entries for ",
                  request.inputs_size(), " inputs of model '", model.name(), "'");
  }
  std::vector<WireInput> wires(inputs.size());
  for (int i = 0; i < request.inputs_size(); ++i) {
    const InputTensor& tensor = request.inputs(i);
    const auto found =
        std::find_if(inputs.begin(), inputs.end(), [&](const auto& in) { return in.name == tensor.name(); });
    if (found == inputs.end()) {
      return Reject(request, "unexpected inference input '", tensor.name(), "' for model '", model.name(), "'");
    }
    WireInput& wire = wires[static_cast<size_t>(found - inputs.begin())];
    if (wire.tensor != nullptr) return Reject(request, "input '", tensor.name(), "' already exists in request");
    wire.tensor = &tensor;
    if (request.raw_input_contents_size() == 0) continue;
    if (tensor.has_contents()) {
      return Reject(request, "contents field must not be specified when using raw_input_contents for '", tensor.name(),
                    "' for model '", model.name(), "'");
    }
    if (i >= request.raw_input_contents_size()) {
      return Reject(request, "unable to find data for input tensor '", tensor.name(), "' for model '", model.name(),
                    "'");
    }
    wire.raw = &request.raw_input_contents(i);
  }
  return wires;
}

absl::Status CheckInput(const ModelInferRequest& request, const ServedModel& model, const ServedInput& input,
                        WireInput* wire, int64_t* batch, bool first) {
  const Parameters& parameters = wire->tensor->parameters();
  if (parameters.contains("shared_memory_region")) {
    return Reject(request, "input '", input.name, "' refers to a shared memory region, and none is registered");
  }
  if (const auto it = parameters.find("normalized"); it != parameters.end()) {
    if (!it->second.has_bool_param())
      return Reject(request, "parameter 'normalized' of '", input.name, "' must be a bool");
    wire->normalized = it->second.bool_param();
  }
  MSQ_ASSIGN_OR_RETURN(wire->datatype, CheckDatatype(request, model, input, *wire->tensor));
  MSQ_ASSIGN_OR_RETURN(const int64_t size, CheckShape(request, model, input, *wire->tensor));
  if (!first && size != *batch) {
    return Reject(request, "input '", input.name, "' batch size does not match other inputs for '", model.name(), "'");
  }
  *batch = size;
  return CheckSize(request, model, input, *wire, size);
}

absl::StatusOr<RequestedOutput> FindOutput(const ModelInferRequest& request, const ServedModel& model,
                                           const ModelInferRequest::InferRequestedOutputTensor& wanted) {
  const auto& outputs = model.outputs();
  const auto found =
      std::find_if(outputs.begin(), outputs.end(), [&](const auto& o) { return o.name == wanted.name(); });
  if (found == outputs.end()) {
    return Reject(request, "unexpected inference output '", wanted.name(), "' for model '", model.name(), "'");
  }
  RequestedOutput output{static_cast<size_t>(found - outputs.begin()), 0};
  if (wanted.parameters().contains("shared_memory_region")) {
    return Reject(request, "output '", wanted.name(), "' refers to a shared memory region, and none is registered");
  }
  if (const auto it = wanted.parameters().find("classification"); it != wanted.parameters().end()) {
    if (!it->second.has_int64_param() || it->second.int64_param() <= 0) {
      return Reject(request, "parameter 'classification' of output '", wanted.name(), "' must be an int64 > 0");
    }
    output.classes = std::min(it->second.int64_param(), ir::ElementCount(found->type.shape));
  }
  return output;
}

absl::StatusOr<std::vector<RequestedOutput>> FindOutputs(const ModelInferRequest& request, const ServedModel& model) {
  std::vector<RequestedOutput> result;
  for (const auto& wanted : request.outputs()) {
    MSQ_ASSIGN_OR_RETURN(const RequestedOutput output, FindOutput(request, model, wanted));
    for (const RequestedOutput& other : result) {
      if (other.index == output.index) return Reject(request, "output '", wanted.name(), "' is requested twice");
    }
    result.push_back(output);
  }
  for (size_t i = 0; request.outputs().empty() && i < model.outputs().size(); ++i) result.push_back({i, 0});
  return result;
}

// No less than the answer takes, and the integers that every output needs while it is computed.
int64_t ResponseBytes(const ServedModel& model, const std::vector<RequestedOutput>& wanted, int64_t batch) {
  int64_t bytes = 0;
  for (const ServedOutput& output : model.outputs()) bytes += 4 * batch * ir::ElementCount(output.type.shape);
  for (const RequestedOutput& one : wanted) {
    const int64_t class_bytes = kClassBytes + static_cast<int64_t>(model.outputs()[one.index].longest_label);
    bytes += batch * one.classes * class_bytes;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<DecodedRequest> DecodeRequest(const ModelInferRequest& request, std::shared_ptr<const ServedModel> model,
                                             int64_t max_response_bytes) {
  DecodedRequest decoded;
  MSQ_ASSIGN_OR_RETURN(const std::string backend, CheckParameters(request));
  MSQ_ASSIGN_OR_RETURN(decoded.backend, model->FindBackend(backend));
  MSQ_ASSIGN_OR_RETURN(std::vector<WireInput> wires, FindInputs(request, *model));
  for (size_t i = 0; i < wires.size(); ++i) {
    MSQ_RETURN_IF_ERROR(CheckInput(request, *model, model->inputs()[i], &wires[i], &decoded.batch, i == 0));
  }
  MSQ_ASSIGN_OR_RETURN(decoded.outputs, FindOutputs(request, *model));
  const int64_t response_bytes = ResponseBytes(*model, decoded.outputs, decoded.batch);
  if (response_bytes > max_response_bytes) {
    return Reject(request, "the answer to batch ", decoded.batch, " has ", response_bytes, " bytes, the limit is ",
                  max_response_bytes);
  }
  for (size_t i = 0; i < wires.size(); ++i) {
    const ServedInput& input = model->inputs()[i];
    decoded.codes.emplace_back(static_cast<size_t>(decoded.batch * input.type.ByteSize()));
    Convert(input, wires[i], &decoded.codes.back());
  }
  decoded.model = std::move(model);
  return decoded;
}

}  // namespace msq::server
