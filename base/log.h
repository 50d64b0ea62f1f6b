// One log line per call on stderr: UTC time, level, message. Thread-safe; lines never interleave.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace msq {

enum class LogLevel : uint8_t { kInfo, kWarning, kError };

// kDefault tells the time to the millisecond, kIso8601 to the second.
enum class LogFormat : uint8_t { kDefault, kIso8601 };

// Which lines are written, and how. For the whole process.
struct LogSettings {
  bool info = true;
  bool warning = true;
  bool error = true;
  LogFormat format = LogFormat::kDefault;
  uint32_t verbose_level = 0;  // LogVerbose writes up to this level
};

LogSettings GetLogSettings();
void SetLogSettings(const LogSettings& settings);

// Told of each line after it is written: its time, level and message, which is one line too. Called on whichever thread
// logs, several at once; does not log itself. Null: nobody is told. For the whole process.
using LogSink = void (*)(absl::Time time, LogLevel level, std::string_view message);
void SetLogSink(LogSink sink);

const char* LogLevelName(LogLevel level);  // "INFO", as in the line

// Drops the line when its level is off. Control characters are written as \n and \xNN: a message is always one line.
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
// For who looks for a fault: off at first, and then costs one load. 1 is the least verbose level. An info line.
template <typename... Parts>
void LogVerbose(uint32_t level, const Parts&... parts) {
  if (level <= GetLogSettings().verbose_level) LogLine(LogLevel::kInfo, absl::StrCat(parts...));
}

}  // namespace msq
