// Why a request failed, for whatever counts failures.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace msq::server {

// Why a request failed, as the label `reason` says it.
enum class FailureReason : uint8_t { kBadRequest, kQueueFull, kQueueTimeout, kDeadline, kCancelled, kBackend };
inline constexpr int kFailureReasonCount = 6;
const char* FailureReasonName(FailureReason reason);
FailureReason FailureReasonOf(const absl::Status& status);

}  // namespace msq::server
