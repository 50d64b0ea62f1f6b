// model_warmup: requests that a version answers before it is put into service, on the path that clients' requests take.
#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "server/models/served_model.h"

namespace msq::server {

// Runs the entries of the model's configuration on each of its backends, one request at a time. `folder` is the model's:
// an input's data file lies in its folder `warmup`. Blocks. An error names the entry; UNAVAILABLE once `stop` is set, which
// is looked at before each request.
absl::Status WarmUp(const ServedModel& model, const std::string& folder, const std::atomic<bool>& stop);

}  // namespace msq::server
