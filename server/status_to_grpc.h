// The one place that maps the project's errors to what a gRPC caller sees.
#pragma once

#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace msq::server {

// Trailing metadata that tells errors of one code apart, for machines.
inline constexpr char kReasonMetadata[] = "x-msq-reason";
inline constexpr std::string_view kQueueFull = "queue_full";
inline constexpr std::string_view kModelNotReady = "model_not_ready";
inline constexpr std::string_view kShuttingDown = "shutting_down";

// The status with a reason attached; Reason() reads it back, empty when there is none.
absl::Status WithReason(absl::Status status, std::string_view reason);
std::string Reason(const absl::Status& status);

// Same code, and the message cut to a length that fits HTTP/2 trailers whatever a request made it quote.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace msq::server
