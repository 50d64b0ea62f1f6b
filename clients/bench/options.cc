// How the command line's levels and backends are spelled.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "clients/bench/runner.h"

namespace msq::bench {
namespace {

constexpr int kLargestConcurrency = 1024;
constexpr double kLeastRate = 1e-4, kLargestRate = 1e6;

// The host of HOST[:PORT], in brackets where it is an IPv6 address.
std::string HostOf(const std::string& address) {
  if (!address.empty() && address[0] == '[') return address.substr(0, address.find(']') + 1);
  const size_t colon = address.find(':');
  if (colon != std::string::npos && address.find(':', colon + 1) != std::string::npos) {
    return absl::StrCat("[", address, "]");
  }
  return address.substr(0, colon);
}

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
    if (!absl::SimpleAtod(part, &rate) || !(rate >= kLeastRate && rate <= kLargestRate)) {
      return InvalidArgument("rate '", text, "' is neither R nor R,R,...: requests per second, 0.0001 to 1000000");
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
  std::string address = url;
  for (const std::string scheme : {"dns:", "ipv4:", "ipv6:"}) {
    if (!absl::StartsWith(url, scheme)) continue;
    address = url.substr(scheme.size());
    // dns://RESOLVER/HOST:PORT
    if (absl::StartsWith(address, "//")) address.erase(0, std::min(address.find('/', 2), address.size() - 1) + 1);
  }
  // A path, an address of another kind, or several servers.
  for (const char* scheme : {"unix:", "unix-abstract:", "vsock:", "xds:"}) {
    if (absl::StartsWith(address, scheme)) return "";
  }
  if (address.empty() || address.find_first_of("/,") != std::string::npos) return "";
  return absl::StrCat("http://", HostOf(address), ":8002/metrics");
}

}  // namespace msq::bench
