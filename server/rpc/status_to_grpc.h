// The one place that maps the project's errors to what a gRPC caller sees, and a caller's deadline to ours.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace msq::server {

// Trailing metadata that carries the status's reason (server/protocol/reason.h).
inline constexpr char kReasonMetadata[] = "x-msq-reason";

// Same code, and the message cut to a length that fits HTTP/2 trailers whatever a request made it quote.
grpc::Status ToGrpc(const absl::Status& status);

// InfiniteFuture for a call without one.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

}  // namespace msq::server
