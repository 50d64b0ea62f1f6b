#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace msq {
namespace {

std::atomic<LogSettings> current_settings{LogSettings()};
static_assert(std::atomic<LogSettings>::is_always_lock_free);

bool IsOn(const LogSettings& settings, LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return settings.info;
    case LogLevel::kWarning:
      return settings.warning;
    case LogLevel::kError:
      return settings.error;
  }
  return true;
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      return "ERROR";
  }
  return "?";
}

}  // namespace

LogSettings GetLogSettings() {
  return current_settings.load(std::memory_order_relaxed);
}

void SetLogSettings(const LogSettings& settings) {
  current_settings.store(settings, std::memory_order_relaxed);
}

void LogLine(LogLevel level, std::string_view message) {
  const LogSettings settings = GetLogSettings();
  if (!IsOn(settings, level)) return;
  const char* time_format = settings.format == LogFormat::kIso8601 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%E3SZ";
  const std::string line = absl::StrCat(absl::FormatTime(time_format, absl::Now(), absl::UTCTimeZone()), " ",
                                        LevelName(level), " ", absl::string_view(message.data(), message.size()), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: stdio's lock keeps the line whole
}

}  // namespace msq
