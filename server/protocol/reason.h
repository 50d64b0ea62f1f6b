// Why a request failed, for machines: a word attached to a status that tells errors of one code apart.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace msq::server {

inline constexpr std::string_view kQueueFull = "queue_full";
inline constexpr std::string_view kQueueTimeout = "queue_timeout";
inline constexpr std::string_view kModelNotReady = "model_not_ready";
inline constexpr std::string_view kShuttingDown = "shutting_down";

// The status with a reason attached; Reason() reads it back, empty when there is none.
absl::Status WithReason(absl::Status status, std::string_view reason);
std::string Reason(const absl::Status& status);

}  // namespace msq::server
