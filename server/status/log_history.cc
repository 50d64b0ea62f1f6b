#include "server/status/log_history.h"

#include <algorithm>
#include <iterator>

namespace msq::server {
namespace {

constexpr std::string_view kCut = "...";

std::string Shorten(std::string_view message) {
  if (message.size() <= LogHistory::kMessageBytes) return std::string(message);
  size_t length = LogHistory::kMessageBytes - kCut.size();
  while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xc0) == 0x80)
    --length;  // not within a character
  return std::string(message.substr(0, length)).append(kCut);
}

}  // namespace

void LogHistory::Add(absl::Time time, LogLevel level, std::string_view message) {
  if (level == LogLevel::kInfo) return;
  std::string text = Shorten(message);
  std::lock_guard lock(mutex_);
  std::list<Line>& lines = Lines(level);
  const auto known = std::find_if(lines.begin(), lines.end(), [&](const Line& line) { return line.message == text; });
  if (known == lines.end()) {
    lines.push_front({time, level, std::move(text)});
    if (lines.size() > kLines) lines.pop_back();
    return;
  }
  known->time = time;
  ++known->count;
  lines.splice(lines.begin(), lines, known);
}

std::vector<LogHistory::Line> LogHistory::Read() const {
  std::lock_guard lock(mutex_);
  std::vector<Line> lines;
  std::merge(errors_.begin(), errors_.end(), warnings_.begin(), warnings_.end(), std::back_inserter(lines),
             [](const Line& a, const Line& b) { return a.time > b.time; });
  return lines;
}

LogHistory& LogHistory::OfProcess() {
  static LogHistory* const history = [] {
    SetLogSink([](absl::Time time, LogLevel level, std::string_view message) {
      LogHistory::OfProcess().Add(time, level, message);
    });
    return new LogHistory;  // for good: threads log until the very end
  }();
  return *history;
}

}  // namespace msq::server
