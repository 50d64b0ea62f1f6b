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

std::atomic<LogSink> current_sink{nullptr};

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

// Bytes of the control character that begins there, if one does: ASCII's, or one of U+0080..U+009F, which terminals
// obey too.
size_t ControlBytes(std::string_view text, size_t begin) {
  const auto first = static_cast<unsigned char>(text[begin]);
  if (first < ' ' || first == 0x7f) return 1;
  const auto second = begin + 1 < text.size() ? static_cast<unsigned char>(text[begin + 1]) : 0;
  return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

// Messages quote what clients sent, which must not look like lines of their own.
std::string Escape(std::string_view message) {
  std::string escaped;
  escaped.reserve(message.size());
  for (size_t i = 0; i < message.size();) {
    size_t controls = ControlBytes(message, i);
    if (controls == 0) escaped += message[i++];
    for (; controls > 0; --controls, ++i) {
      if (message[i] == '\n') {
        escaped += "\\n";
      } else {
        absl::StrAppend(&escaped, "\\x", absl::Hex(static_cast<unsigned char>(message[i]), absl::kZeroPad2));
      }
    }
  }
  return escaped;
}

}  // namespace

LogSettings GetLogSettings() {
  return current_settings.load(std::memory_order_relaxed);
}

void SetLogSettings(const LogSettings& settings) {
  current_settings.store(settings, std::memory_order_relaxed);
}

const char* LogLevelName(LogLevel level) {
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

void SetLogSink(LogSink sink) {
  current_sink.store(sink);
}

void LogLine(LogLevel level, std::string_view message) {
  const LogSettings settings = GetLogSettings();
  if (!IsOn(settings, level)) return;
  const char* time_format = settings.format == LogFormat::kIso8601 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%E3SZ";
  const absl::Time now = absl::Now();
  const std::string escaped = Escape(message);
  const std::string line = absl::StrCat(absl::FormatTime(time_format, now, absl::UTCTimeZone()), " ",
                                        LogLevelName(level), " ", escaped, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: stdio's lock keeps the line whole
  if (const LogSink sink = current_sink.load()) sink(now, level, escaped);
}

}  // namespace msq
