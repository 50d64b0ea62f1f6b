// How the command line's levels and backends are spelled.
#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "clients/bench/runner.h"

namespace msq::bench {
namespace {

constexpr int kLargestConcurrency = 1024;
constexpr double kLargestRate = 1e6;

}  // namespace

absl::StatusOr<std::vector<Level>> ParseConcurrency(const std::string& text) {
  std::vector<Level> levels;
  const auto bad = [&text] {
    return InvalidArgument("concurrency '", text, "' is neither N nor FIRST:LAST nor N,N,... in 1..",
                           kLargestConcurrency);
  };
  const std::vector<std::string> range = absl::StrSplit(text, ':');
  if (range.size() == 2) {
    int first = 0, last = 0;
    if (!absl::SimpleAtoi(range[0], &first) || !absl::SimpleAtoi(range[1], &last)) return bad();
    if (first < 1 || last < first || last > kLargestConcurrency) return bad();
    for (int n = first; n < last; n *= 2) levels.push_back({.concurrency = n});
    levels.push_back({.concurrency = last});
    return levels;
  }
  for (const auto& part : absl::StrSplit(text, ',')) {
    int n = 0;
    if (!absl::SimpleAtoi(part, &n) || n < 1 || n > kLargestConcurrency) return bad();
    levels.push_back({.concurrency = n});
  }
  return levels;
}

absl::StatusOr<std::vector<Level>> ParseRates(const std::string& text) {
  std::vector<Level> levels;
  for (const auto& part : absl::StrSplit(text, ',')) {
    double rate = 0;
    if (!absl::SimpleAtod(part, &rate) || !(rate > 0) || rate > kLargestRate) {
      return InvalidArgument("rate '", text, "' is neither R nor R,R,...: requests per second, up to ", kLargestRate);
    }
    levels.push_back({.rate_per_s = rate});
  }
  return levels;
}

absl::StatusOr<std::vector<std::string>> ParseBackends(const std::string& text) {
  std::vector<std::string> backends = absl::StrSplit(text, ',');
  for (size_t i = 0; i < backends.size(); ++i) {
    if (backends[i].empty() && backends.size() > 1) return InvalidArgument("backends '", text, "': a name is empty");
    if (std::find(backends.begin(), backends.begin() + static_cast<ptrdiff_t>(i), backends[i]) !=
        backends.begin() + static_cast<ptrdiff_t>(i)) {
      return InvalidArgument("backends '", text, "': '", backends[i], "' is named twice");
    }
  }
  return backends;
}

std::string DefaultMetricsUrl(const std::string& url) {
  const size_t colon = url.rfind(':');
  const bool has_port = colon != std::string::npos && url.find(']', colon) == std::string::npos;
  return absl::StrCat("http://", has_port ? url.substr(0, colon) : url, ":8002/metrics");
}

}  // namespace msq::bench
