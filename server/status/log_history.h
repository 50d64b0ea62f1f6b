// The last warnings and errors of the log, for those who were not there to read them.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/log.h"

namespace msq::server {

// Thread-safe. Holds at most kLines of each level, so that many warnings do not push out an error, and kMessageBytes of
// each: some 40 KB.
class LogHistory {
 public:
  static constexpr size_t kLines = 32;
  static constexpr size_t kMessageBytes = 600;

  struct Line {
    absl::Time time;  // the last, where it came several times
    LogLevel level = LogLevel::kInfo;
    std::string message;  // a longer one is cut, and ends with "..."
    int64_t count = 1;    // times that it came, since it was last forgotten
  };

  // Info lines are passed over.
  void Add(absl::Time time, LogLevel level, std::string_view message);
  // The latest first.
  std::vector<Line> Read() const;

  // The process' own: has what was logged since the first call.
  static LogHistory& OfProcess();

 private:
  std::list<Line>& Lines(LogLevel level) { return level == LogLevel::kError ? errors_ : warnings_; }

  mutable std::mutex mutex_;
  std::list<Line> warnings_, errors_;  // the latest first
};

}  // namespace msq::server
