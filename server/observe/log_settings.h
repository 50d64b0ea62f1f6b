// The LogSettings RPC: reads and changes what base/log writes.
#pragma once

#include "absl/status/status.h"
#include "proto/inference.pb.h"

namespace msq::server {

// Makes the changes, all or none, and answers with the settings that are then in force. Fails with INVALID_ARGUMENT for a
// setting that is not known or has another kind of value, with UNIMPLEMENTED for log_file. Thread-safe.
absl::Status UpdateLogSettings(const inference::LogSettingsRequest& request, inference::LogSettingsResponse* response);

}  // namespace msq::server
