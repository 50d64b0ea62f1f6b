// One log line per call on stderr: UTC time, level, message. Thread-safe; lines never interleave.
#pragma once

#include <string_view>

#include "absl/strings/str_cat.h"

namespace msq {

enum class LogLevel { kInfo, kWarning, kError };

// Lines below this level are dropped. Default: kInfo. Thread-safe.
void SetMinimumLogLevel(LogLevel level);

void LogLine(LogLevel level, std::string_view message);

template <typename... Parts>
void LogInfo(const Parts&... parts) {
  LogLine(LogLevel::kInfo, absl::StrCat(parts...));
}
template <typename... Parts>
void LogWarning(const Parts&... parts) {
  LogLine(LogLevel::kWarning, absl::StrCat(parts...));
}
template <typename... Parts>
void LogError(const Parts&... parts) {
  LogLine(LogLevel::kError, absl::StrCat(parts...));
}

}  // namespace msq
