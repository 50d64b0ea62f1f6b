// From a ModelInferRequest to an InferenceRequest: checks everything a client can get wrong; converts nothing.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/protocol/request.h"

namespace msq::server {

// Fills the request from its message, as its description allows; both are set, and the caller. INVALID_ARGUMENT with Triton's wording
// for a message that does not fit the model, or whose answer would be larger than `max_response_bytes`; NOT_FOUND for
// a shared memory region that the caller did not register. Allocates nothing of a size that a client chose before that is known to fit.
absl::Status DecodeRequest(const SharedMemoryRegistry& regions, int64_t max_response_bytes, InferenceRequest* request);

}  // namespace msq::server
