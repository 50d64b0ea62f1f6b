// The JSON of the REST protocol's extensions where it is not the message's own: repository, shared memory, trace, logs.
#pragma once

#include "absl/status/status.h"
#include "proto/inference.pb.h"
#include "server/http/message_json.h"

namespace msq::server {

// From the body's object to the message; names that come from the URL are left to the caller. INVALID_ARGUMENT names the
// member that is wrong. Members that the protocol lacks are passed over.
absl::Status FromJson(const nlohmann::json& json, inference::RepositoryIndexRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::RepositoryModelLoadRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::RepositoryModelUnloadRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::SystemSharedMemoryRegisterRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::CudaSharedMemoryRegisterRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::TraceSettingRequest* request);
absl::Status FromJson(const nlohmann::json& json, inference::LogSettingsRequest* request);

Json ToJson(const inference::ModelMetadataResponse& response);
Json ToJson(const inference::ModelConfigResponse& response);
Json ToJson(const inference::RepositoryIndexResponse& response);
Json ToJson(const inference::SystemSharedMemoryStatusResponse& response);
Json ToJson(const inference::CudaSharedMemoryStatusResponse& response);
Json ToJson(const inference::TraceSettingResponse& response);
Json ToJson(const inference::LogSettingsResponse& response);

}  // namespace msq::server
