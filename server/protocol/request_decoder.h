// From a ModelInferRequest to what a backend runs: checks everything a client can get wrong, then converts the inputs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "proto/inference.pb.h"
#include "server/models/served_model.h"

namespace msq::server {

struct RequestedOutput {
  size_t index = 0;     // into ServedModel::outputs()
  int64_t classes = 0;  // of the classification extension; 0 asks for the tensor itself
};

struct DecodedRequest {
  std::shared_ptr<const ServedModel> model;
  const ServedBackend* backend = nullptr;
  int64_t batch = 1;
  std::vector<AlignedBuffer> codes;  // one per graph input
  std::vector<RequestedOutput> outputs;
};

// INVALID_ARGUMENT with Triton's wording for a request that does not fit the model, or whose answer would be larger
// than `max_response_bytes`: nothing is allocated before that is known.
absl::StatusOr<DecodedRequest> DecodeRequest(const inference::ModelInferRequest& request,
                                             std::shared_ptr<const ServedModel> model, int64_t max_response_bytes);

}  // namespace msq::server
