// The parameters of a load request of the protocol.
#pragma once

#include <string>

#include <google/protobuf/map.h>

#include "absl/status/statusor.h"
#include "proto/inference.pb.h"
#include "server/models/model_repository.h"

namespace msq::server {

// `config` is a string, the JSON of a ModelConfig. `file:<version>/model.msq` are the bytes of that file, and need a
// `config` beside them. INVALID_ARGUMENT names the parameter that is something else; INTERNAL, as Triton
// says it, a file that is another.
absl::StatusOr<ModelRepository::LoadRequest> ReadLoadParameters(
    const google::protobuf::Map<std::string, inference::ModelRepositoryParameter>& parameters);

}  // namespace msq::server
