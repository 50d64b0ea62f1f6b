// An inference's answer as the REST protocol has it: JSON, with binary tensor data behind it where that was asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "proto/inference.pb.h"
#include "server/http/json_request.h"

namespace msq::server {

struct HttpInferResponse {
  std::string body;
  std::optional<uint64_t> json_bytes;  // for Inference-Header-Content-Length, when binary data follows the JSON
};

// INVALID_ARGUMENT where an output that JSON cannot say was not asked for as binary data.
absl::StatusOr<HttpInferResponse> InferResponseToJson(const inference::ModelInferResponse& response,
                                                      const BinaryOutputs& binary_outputs);

}  // namespace msq::server
