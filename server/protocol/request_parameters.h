// The parameters of a request: their kinds, and what they say.
#pragma once

#include "absl/status/status.h"
#include "server/protocol/request.h"

namespace msq::server {

// Fills backend, priority, timeout and sequence of the request from its message. INVALID_ARGUMENT names the parameter
// that is of a wrong kind or reserved. Parameters that nobody knows are left alone.
absl::Status ReadParameters(InferenceRequest* request);

}  // namespace msq::server
