#include "server/http/json_request.h"

#include <limits>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "server/http/json_request_parser.h"
#include "server/protocol/datatype.h"

namespace msq::server {
namespace {

using inference::InferParameter;
using nlohmann::json;

// The member of that name; an error unless it is a string.
absl::StatusOr<std::string> Text(const json& object, const char* name, const std::string& path) {
  const auto it = object.find(name);
  if (it == object.end()) return InvalidArgument(path, " has no member '", name, "'");
  if (!it->is_string()) return InvalidArgument(path, ".", name, " must be a string");
  return it->get<std::string>();
}

// The list of that name, empty when there is none.
absl::StatusOr<json> List(const json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) return json::array();
  if (!it->is_array()) return InvalidArgument(name, " must be an array");
  for (size_t i = 0; i < it->size(); ++i) {
    if (!(*it)[i].is_object()) return InvalidArgument(name, "[", i, "] must be an object");
  }
  return *it;
}

absl::Status SetParameter(const json& value, InferParameter* parameter) {
  if (value.is_boolean()) {
    parameter->set_bool_param(value.get<bool>());
  } else if (value.is_number_unsigned() && value.get<uint64_t>() > std::numeric_limits<int64_t>::max()) {
    parameter->set_uint64_param(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    parameter->set_int64_param(value.get<int64_t>());
  } else if (value.is_number()) {
    parameter->set_double_param(value.get<double>());
  } else if (value.is_string()) {
    parameter->set_string_param(value.get<std::string>());
  } else {
    return InvalidArgument("must be a boolean, a number or a string");
  }
  return absl::OkStatus();
}

// Fills the message's parameters, but for those of the binary data extension, which `take` takes (and says so).
template <typename Take>
absl::Status SetParameters(const json& object, const std::string& path,
                           google::protobuf::Map<std::string, InferParameter>* parameters, Take take) {
  const auto list = object.find("parameters");
  if (list == object.end()) return absl::OkStatus();
  const std::string prefix = path + (path.empty() ? "" : ".") + "parameters";
  if (!list->is_object()) return InvalidArgument(prefix, " must be an object");
  for (const auto& [name, value] : list->items()) {
    const absl::StatusOr<bool> taken = take(name, value);
    if (!taken.ok()) return WithContext(taken.status(), prefix, ".", name);
    if (!*taken) MSQ_RETURN_IF_ERROR(WithContext(SetParameter(value, &(*parameters)[name]), prefix, ".", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TakeBool(const json& value, bool* target) {
  if (!value.is_boolean()) return InvalidArgument("must be a boolean");
  *target = value.get<bool>();
  return true;
}

absl::Status CheckNesting(const JsonTensor& tensor, const google::protobuf::RepeatedField<int64_t>& shape,
                          const std::string& path) {
  const bool flat = tensor.dims.size() == 1;
  if (flat || std::equal(tensor.dims.begin(), tensor.dims.end(), shape.begin(), shape.end())) return absl::OkStatus();
  return InvalidArgument(path, ".data is nested as [", absl::StrJoin(tensor.dims, ","), "], but the shape is [",
                         absl::StrJoin(shape, ","), "]");
}

// The binary data behind the JSON, handed out piece by piece.
struct BinaryTail {
  std::string_view bytes;
  bool announced = false;  // by Inference-Header-Content-Length

  absl::StatusOr<std::string> Take(uint64_t size) {
    if (!announced) return InvalidArgument("needs the header Inference-Header-Content-Length");
    if (size > bytes.size())
      return InvalidArgument("is ", size, ", but only ", bytes.size(), " bytes are left of the body");
    std::string piece(bytes.substr(0, size));
    bytes.remove_prefix(size);
    return piece;
  }
};

absl::Status SetInput(const json& object, const std::string& path, std::optional<JsonTensor> data, BinaryTail* tail,
                      inference::ModelInferRequest* request) {
  auto* input = request->add_inputs();
  MSQ_ASSIGN_OR_RETURN(*input->mutable_name(), Text(object, "name", path));
  MSQ_ASSIGN_OR_RETURN(*input->mutable_datatype(), Text(object, "datatype", path));
  if (!ParseDatatype(input->datatype()))
    return InvalidArgument(path, ".datatype '", input->datatype(), "' is not known");
  const auto shape = object.find("shape");
  if (shape == object.end() || !shape->is_array()) return InvalidArgument(path, ".shape must be an array of integers");
  for (const json& dimension : *shape) {
    if (!dimension.is_number_integer()) return InvalidArgument(path, ".shape must be an array of integers");
    if (dimension.is_number_unsigned() && dimension.get<uint64_t>() > std::numeric_limits<int64_t>::max()) {
      return InvalidArgument(path, ".shape[", input->shape_size(), "]: ", dimension.get<uint64_t>(),
                             " is out of range for a dimension");
    }
    input->add_shape(dimension.get<int64_t>());
  }
  std::optional<uint64_t> binary_bytes;
  const auto take = [&binary_bytes](const std::string& name, const json& value) -> absl::StatusOr<bool> {
    if (name != "binary_data_size") return false;
    if (!value.is_number_unsigned()) return InvalidArgument("must be an integer that is not negative");
    binary_bytes = value.get<uint64_t>();
    return true;
  };
  MSQ_RETURN_IF_ERROR(SetParameters(object, path, input->mutable_parameters(), take));
  const bool shared = input->parameters().contains("shared_memory_region");
  if (data.has_value() + binary_bytes.has_value() + shared != 1) {
    return InvalidArgument(path, " ('", input->name(),
                           "') must have one of: the member data, the parameter binary_data_size,",
                           " the parameter shared_memory_region");
  }
  if (data) {
    MSQ_RETURN_IF_ERROR(CheckNesting(*data, input->shape(), path));
    request->add_raw_input_contents(std::move(data->bytes));
  } else if (binary_bytes) {
    auto bytes = tail->Take(*binary_bytes);
    if (!bytes.ok()) return WithContext(bytes.status(), path, ".parameters.binary_data_size");
    request->add_raw_input_contents(*std::move(bytes));
  }
  return absl::OkStatus();
}

absl::Status SetOutput(const json& object, const std::string& path, inference::ModelInferRequest* request,
                       BinaryOutputs* binary_outputs) {
  auto* output = request->add_outputs();
  MSQ_ASSIGN_OR_RETURN(*output->mutable_name(), Text(object, "name", path));
  const auto take = [&](const std::string& name, const json& value) -> absl::StatusOr<bool> {
    if (name != "binary_data") return false;
    return TakeBool(value, &binary_outputs->named[output->name()]);
  };
  return SetParameters(object, path, output->mutable_parameters(), take);
}

}  // namespace

absl::Status InferRequestFromJson(std::string_view body, std::optional<uint64_t> json_bytes, uint64_t max_tensor_bytes,
                                  inference::ModelInferRequest* request, BinaryOutputs* binary_outputs) {
  if (json_bytes && *json_bytes > body.size()) {
    return InvalidArgument("Inference-Header-Content-Length is ", *json_bytes, ", but the body has ", body.size(),
                           " bytes");
  }
  BinaryTail tail{body.substr(json_bytes.value_or(body.size())), json_bytes.has_value()};
  const std::string_view text = body.substr(0, json_bytes.value_or(body.size()));
  MSQ_ASSIGN_OR_RETURN(ParsedJsonRequest parsed, ParseJsonRequest(text, max_tensor_bytes));
  const json& root = parsed.root;
  if (root.contains("id")) {
    MSQ_ASSIGN_OR_RETURN(*request->mutable_id(), Text(root, "id", "the request"));
  }
  const auto take = [binary_outputs](const std::string& name, const json& value) -> absl::StatusOr<bool> {
    if (name != "binary_data_output") return false;
    return TakeBool(value, &binary_outputs->others);
  };
  MSQ_RETURN_IF_ERROR(SetParameters(root, "", request->mutable_parameters(), take));
  if (!root.contains("inputs")) return InvalidArgument("the request has no member 'inputs'");
  MSQ_ASSIGN_OR_RETURN(const json inputs, List(root, "inputs"));
  parsed.data.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string path = absl::StrCat("inputs[", i, "]");
    MSQ_RETURN_IF_ERROR(SetInput(inputs[i], path, std::move(parsed.data[i]), &tail, request));
  }
  MSQ_ASSIGN_OR_RETURN(const json outputs, List(root, "outputs"));
  for (size_t i = 0; i < outputs.size(); ++i) {
    MSQ_RETURN_IF_ERROR(SetOutput(outputs[i], absl::StrCat("outputs[", i, "]"), request, binary_outputs));
  }
  if (tail.bytes.empty()) return absl::OkStatus();
  return InvalidArgument("the body has ", tail.bytes.size(), " bytes more than the JSON and the inputs announce");
}

absl::Status InferRequestFromRawTensor(std::string_view body, const inference::ModelMetadataResponse& model,
                                       inference::ModelInferRequest* request) {
  const auto unfit = [&model](const auto&... why) {
    return InvalidArgument("a body without JSON does not fit model '", model.name(), "': ", why...);
  };
  if (model.inputs_size() != 1) return unfit("it has ", model.inputs_size(), " inputs");
  const auto& tensor = model.inputs(0);
  const auto datatype = ParseDatatype(tensor.datatype());
  if (!datatype || ElementBytes(*datatype) == 0) return unfit("its input is ", tensor.datatype());
  auto* input = request->add_inputs();
  input->set_name(tensor.name());
  input->set_datatype(tensor.datatype());
  auto size = static_cast<uint64_t>(ElementBytes(*datatype));
  int variable = -1;
  for (int i = 0; i < tensor.shape_size(); ++i) {
    const int64_t dimension = tensor.shape(i);
    input->add_shape(dimension);
    if (dimension > 0) {
      size *= static_cast<uint64_t>(dimension);
    } else if (variable >= 0 || dimension == 0) {
      return unfit("more than one dimension of its input is variable");
    } else {
      variable = i;
    }
  }
  if (variable >= 0) {
    if (body.empty() || body.size() % size != 0)
      return unfit("a sample has ", size, " bytes, and the body ", body.size());
    input->set_shape(variable, static_cast<int64_t>(body.size() / size));
  }
  request->add_raw_input_contents(std::string(body));
  return absl::OkStatus();
}

}  // namespace msq::server
