#include "server/http/json_response.h"

#include "base/status.h"
#include "server/http/message_json.h"
#include "server/http/tensor_json.h"

namespace msq::server {
namespace {

using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

Json ParametersJson(const Parameters& parameters) {
  Json json = Json::object();
  for (const auto& [name, parameter] : parameters) {
    const Json choice = MessageToJson(parameter);  // the one member that is set
    if (!choice.empty()) json[name] = *choice.begin();
  }
  return json;
}

// An output's members, without data.
Json OutputJson(const inference::ModelInferResponse::InferOutputTensor& output) {
  Json json = {{"name", output.name()}, {"datatype", output.datatype()}, {"shape", Json::array()}};
  for (int64_t dimension : output.shape()) json["shape"].push_back(dimension);
  if (!output.parameters().empty()) json["parameters"] = ParametersJson(output.parameters());
  return json;
}

// An object's text without its last brace, so that members can follow.
std::string Opened(const Json& object) {
  std::string text = DumpJson(object);
  text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<HttpInferResponse> InferResponseToJson(const inference::ModelInferResponse& response,
                                                      const BinaryOutputs& binary_outputs) {
  Json head = {{"model_name", response.model_name()}, {"model_version", response.model_version()}};
  if (!response.id().empty()) head["id"] = response.id();
  if (!response.parameters().empty()) head["parameters"] = ParametersJson(response.parameters());
  HttpInferResponse result;
  std::string& json = result.body;
  json = Opened(head) + ",\"outputs\":[";
  std::string tail;
  if (response.raw_output_contents_size() != response.outputs_size()) {
    return absl::InternalError("the answer has no data for some outputs");
  }
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    const std::string& data = response.raw_output_contents(i);
    if (i > 0) json += ",";
    Json members = OutputJson(output);
    if (output.parameters().contains("shared_memory_region")) {
      json += DumpJson(members);
    } else if (binary_outputs.Contains(output.name())) {
      members["parameters"]["binary_data_size"] = data.size();
      json += DumpJson(members);
      tail += data;
      result.json_bytes = 0;
    } else {
      const auto datatype = ParseDatatype(output.datatype());
      if (!datatype) return absl::InternalError(absl::StrCat("output '", output.name(), "' has no known datatype"));
      json += Opened(members) + ",\"data\":";
      MSQ_RETURN_IF_ERROR(WithContext(AppendTensorJson(*datatype, data, &json), "output '", output.name(), "'"));
      json += "}";
    }
  }
  json += "]}";
  if (result.json_bytes) result.json_bytes = json.size();
  json += tail;
  return result;
}

}  // namespace msq::server
