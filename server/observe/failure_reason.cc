#include "server/observe/failure_reason.h"

#include <string>

#include "server/protocol/reason.h"

namespace msq::server {

const char* FailureReasonName(FailureReason reason) {
  constexpr const char* kNames[kFailureReasonCount] = {"bad_request", "queue_full", "queue_timeout",
                                                       "deadline",    "cancelled",  "backend"};
  return kNames[static_cast<size_t>(reason)];
}

FailureReason FailureReasonOf(const absl::Status& status) {
  const std::string reason = status.ok() ? "" : Reason(status);
  if (reason == kQueueFull) return FailureReason::kQueueFull;
  if (reason == kQueueTimeout) return FailureReason::kQueueTimeout;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      return FailureReason::kBadRequest;
    case absl::StatusCode::kDeadlineExceeded:
      return FailureReason::kDeadline;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:  // a step of a sequence that was cancelled or broke off before it
      return FailureReason::kCancelled;
    default:
      return FailureReason::kBackend;
  }
}

}  // namespace msq::server
