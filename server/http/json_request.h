// An inference request of the REST protocol, JSON with or without binary tensor data behind it, as the gRPC message.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "proto/inference.pb.h"

namespace msq::server {

// Which outputs the client wants as binary data behind the answer's JSON.
struct BinaryOutputs {
  bool others = false;  // all that are not named
  std::map<std::string, bool> named;

  bool Contains(const std::string& output) const {
    const auto it = named.find(output);
    return it == named.end() ? others : it->second;
  }
};

// Fills everything but the model's name and version. `json_bytes` is the header Inference-Header-Content-Length: so much
// of the body is JSON, the rest the binary data of the inputs that have `binary_data_size`, in their order; without it
// all is JSON. Data becomes raw_input_contents, one for each input that is not in shared memory. INVALID_ARGUMENT names
// the place in the request and what is wrong there. JSON data of more than `max_tensor_bytes`, all inputs together, is
// refused as it is read.
absl::Status InferRequestFromJson(std::string_view body, std::optional<uint64_t> json_bytes, uint64_t max_tensor_bytes,
                                  inference::ModelInferRequest* request, BinaryOutputs* binary_outputs);

// The whole body is the one input of the model: its datatype and shape are the metadata's, where one dimension may be
// variable and follows from the size. INVALID_ARGUMENT where that cannot be.
absl::Status InferRequestFromRawTensor(std::string_view body, const inference::ModelMetadataResponse& model,
                                       inference::ModelInferRequest* request);

}  // namespace msq::server
