#include "server/http/admin_json.h"

#include <limits>
#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "base/status.h"

namespace msq::server {
namespace {

using nlohmann::json;

absl::Status ReadUint64(const json& object, const char* name, uint64_t fallback, uint64_t* value) {
  const auto it = object.find(name);
  *value = fallback;
  if (it == object.end()) return absl::OkStatus();
  if (!it->is_number_unsigned()) return InvalidArgument(name, " must be an integer that is not negative");
  *value = it->get<uint64_t>();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> NeedUint64(const json& object, const char* name) {
  if (!object.contains(name)) return InvalidArgument("the request has no member '", name, "'");
  uint64_t value = 0;
  MSQ_RETURN_IF_ERROR(ReadUint64(object, name, 0, &value));
  return value;
}

absl::StatusOr<std::string> FromBase64(const std::string& text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return InvalidArgument("must be base64");
  return bytes;
}

// A file's content, which only here is base64, or any other parameter.
absl::Status SetParameter(const std::string& name, const json& value, inference::ModelRepositoryParameter* parameter) {
  if (value.is_boolean()) {
    parameter->set_bool_param(value.get<bool>());
  } else if (value.is_number_integer()) {
    parameter->set_int64_param(value.get<int64_t>());
  } else if (!value.is_string()) {
    return InvalidArgument("must be a boolean, an integer or a string");
  } else if (absl::StartsWith(name, "file:")) {
    MSQ_ASSIGN_OR_RETURN(*parameter->mutable_bytes_param(), FromBase64(value.get<std::string>()));
  } else {
    parameter->set_string_param(value.get<std::string>());
  }
  return absl::OkStatus();
}

template <typename Request>
absl::Status SetParameters(const json& object, Request* request) {
  const auto it = object.find("parameters");
  if (it == object.end()) return absl::OkStatus();
  if (!it->is_object()) return InvalidArgument("parameters must be an object");
  for (const auto& [name, value] : it->items()) {
    MSQ_RETURN_IF_ERROR(
        WithContext(SetParameter(name, value, &(*request->mutable_parameters())[name]), "parameters.", name));
  }
  return absl::OkStatus();
}

template <typename Response>
Json RegionsJson(const Response& response) {
  std::map<std::string, Json> sorted;
  for (const auto& [name, region] : response.regions()) sorted[name] = MessageToJson(region);
  Json list = Json::array();
  for (auto& [name, region] : sorted) list.push_back(std::move(region));
  return list;
}

// Settings sorted by name, each as `to_json` has it.
template <typename Response, typename ToJson>
Json SettingsJson(const Response& response, ToJson to_json) {
  std::map<std::string, Json> sorted;
  for (const auto& [name, setting] : response.settings()) sorted[name] = to_json(name, setting);
  Json object = Json::object();
  for (auto& [name, setting] : sorted) object[name] = std::move(setting);
  return object;
}

// A setting's values: a text, a number (as a text), a list of them, or null for none: back to the default.
absl::Status SetTraceValues(const json& value, inference::TraceSettingRequest::SettingValue* setting) {
  if (value.is_null()) return absl::OkStatus();
  for (const json& one : value.is_array() ? value : json::array({value})) {
    if (!one.is_string() && !one.is_number_integer())
      return InvalidArgument("must be a string, an integer, a list of them or null");
    setting->add_value(one.is_string() ? one.get<std::string>() : one.dump());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FromJson(const json& json, inference::RepositoryIndexRequest* request) {
  const auto it = json.find("ready");
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_boolean()) return InvalidArgument("ready must be a boolean");
  request->set_ready(it->get<bool>());
  return absl::OkStatus();
}

absl::Status FromJson(const json& json, inference::RepositoryModelLoadRequest* request) {
  return SetParameters(json, request);
}
absl::Status FromJson(const json& json, inference::RepositoryModelUnloadRequest* request) {
  return SetParameters(json, request);
}

absl::Status FromJson(const json& json, inference::SystemSharedMemoryRegisterRequest* request) {
  const auto key = json.find("key");
  if (key == json.end() || !key->is_string()) return InvalidArgument("key must be a string");
  request->set_key(key->get<std::string>());
  uint64_t offset = 0;
  MSQ_RETURN_IF_ERROR(ReadUint64(json, "offset", 0, &offset));
  request->set_offset(offset);
  MSQ_ASSIGN_OR_RETURN(const uint64_t size, NeedUint64(json, "byte_size"));
  request->set_byte_size(size);
  return absl::OkStatus();
}

absl::Status FromJson(const json& json, inference::CudaSharedMemoryRegisterRequest* request) {
  const auto handle = json.find("raw_handle");
  const bool good =
      handle != json.end() && handle->is_object() && handle->contains("b64") && (*handle)["b64"].is_string();
  if (!good) return InvalidArgument("raw_handle must be an object with the member b64");
  auto bytes = FromBase64((*handle)["b64"].get<std::string>());
  if (!bytes.ok()) return WithContext(bytes.status(), "raw_handle.b64");
  request->set_raw_handle(*std::move(bytes));
  MSQ_ASSIGN_OR_RETURN(const uint64_t device, NeedUint64(json, "device_id"));
  if (device > std::numeric_limits<int64_t>::max()) return InvalidArgument("device_id is out of range");
  request->set_device_id(static_cast<int64_t>(device));
  MSQ_ASSIGN_OR_RETURN(const uint64_t size, NeedUint64(json, "byte_size"));
  request->set_byte_size(size);
  return absl::OkStatus();
}

absl::Status FromJson(const json& json, inference::TraceSettingRequest* request) {
  for (const auto& [name, value] : json.items()) {
    MSQ_RETURN_IF_ERROR(WithContext(SetTraceValues(value, &(*request->mutable_settings())[name]), name));
  }
  return absl::OkStatus();
}

absl::Status FromJson(const json& json, inference::LogSettingsRequest* request) {
  for (const auto& [name, value] : json.items()) {
    auto& setting = (*request->mutable_settings())[name];
    if (value.is_boolean()) {
      setting.set_bool_param(value.get<bool>());
    } else if (value.is_number_unsigned() && value.get<uint64_t>() <= std::numeric_limits<uint32_t>::max()) {
      setting.set_uint32_param(value.get<uint32_t>());
    } else if (value.is_string()) {
      setting.set_string_param(value.get<std::string>());
    } else {
      return InvalidArgument(name, ": must be a boolean, an integer from 0 to 4294967295 or a string");
    }
  }
  return absl::OkStatus();
}

Json ToJson(const inference::ModelMetadataResponse& response) {
  Json json = MessageToJson(response);
  if (response.properties().empty()) json.erase("properties");
  return json;
}

Json ToJson(const inference::ModelConfigResponse& response) {
  return MessageToJson(response.config());
}

Json ToJson(const inference::RepositoryIndexResponse& response) {
  return MessageToJson(response)["models"];
}

Json ToJson(const inference::SystemSharedMemoryStatusResponse& response) {
  return RegionsJson(response);
}
Json ToJson(const inference::CudaSharedMemoryStatusResponse& response) {
  return RegionsJson(response);
}

Json ToJson(const inference::TraceSettingResponse& response) {
  return SettingsJson(response, [](const std::string& name, const auto& setting) -> Json {
    if (setting.value_size() == 1 && name != "trace_level") return setting.value(0);
    return MessageToJson(setting)["value"];
  });
}

Json ToJson(const inference::LogSettingsResponse& response) {
  return SettingsJson(response, [](const std::string&, const auto& setting) -> Json {
    const Json choice = MessageToJson(setting);  // the one member that is set
    return choice.empty() ? Json() : *choice.begin();
  });
}

}  // namespace msq::server
