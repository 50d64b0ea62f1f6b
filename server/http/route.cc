#include "server/http/route.h"

#include <vector>

#include "absl/strings/str_split.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr std::string_view kGet = "GET, HEAD";
constexpr std::string_view kPost = "POST";
constexpr std::string_view kBoth = "GET, HEAD, POST";

struct Pattern {
  const char* path;  // <name> and <version> stand for one segment, whatever it is
  Endpoint endpoint;
  std::string_view methods;
};
// The first that fits counts: models/stats is no model of that name.
constexpr Pattern kPatterns[] = {
    {"v2", Endpoint::kServerMetadata, kGet},
    {"v2/health/live", Endpoint::kServerLive, kGet},
    {"v2/health/ready", Endpoint::kServerReady, kGet},
    {"v2/models/stats", Endpoint::kModelStatistics, kGet},
    {"v2/models/<name>", Endpoint::kModelMetadata, kGet},
    {"v2/models/<name>/versions/<version>", Endpoint::kModelMetadata, kGet},
    {"v2/models/<name>/ready", Endpoint::kModelReady, kGet},
    {"v2/models/<name>/versions/<version>/ready", Endpoint::kModelReady, kGet},
    {"v2/models/<name>/infer", Endpoint::kModelInfer, kPost},
    {"v2/models/<name>/versions/<version>/infer", Endpoint::kModelInfer, kPost},
    {"v2/models/<name>/config", Endpoint::kModelConfig, kGet},
    {"v2/models/<name>/versions/<version>/config", Endpoint::kModelConfig, kGet},
    {"v2/models/<name>/stats", Endpoint::kModelStatistics, kGet},
    {"v2/models/<name>/versions/<version>/stats", Endpoint::kModelStatistics, kGet},
    {"v2/models/<name>/trace/setting", Endpoint::kTraceSetting, kBoth},
    {"v2/trace/setting", Endpoint::kTraceSetting, kBoth},
    {"v2/logging", Endpoint::kLogSettings, kBoth},
    {"v2/repository/index", Endpoint::kRepositoryIndex, kPost},
    {"v2/repository/models/<name>/load", Endpoint::kRepositoryModelLoad, kPost},
    {"v2/repository/models/<name>/unload", Endpoint::kRepositoryModelUnload, kPost},
    {"v2/systemsharedmemory/status", Endpoint::kSystemSharedMemoryStatus, kGet},
    {"v2/systemsharedmemory/region/<name>/status", Endpoint::kSystemSharedMemoryStatus, kGet},
    {"v2/systemsharedmemory/region/<name>/register", Endpoint::kSystemSharedMemoryRegister, kPost},
    {"v2/systemsharedmemory/unregister", Endpoint::kSystemSharedMemoryUnregister, kPost},
    {"v2/systemsharedmemory/region/<name>/unregister", Endpoint::kSystemSharedMemoryUnregister, kPost},
    {"v2/cudasharedmemory/status", Endpoint::kCudaSharedMemoryStatus, kGet},
    {"v2/cudasharedmemory/region/<name>/status", Endpoint::kCudaSharedMemoryStatus, kGet},
    {"v2/cudasharedmemory/region/<name>/register", Endpoint::kCudaSharedMemoryRegister, kPost},
    {"v2/cudasharedmemory/unregister", Endpoint::kCudaSharedMemoryUnregister, kPost},
    {"v2/cudasharedmemory/region/<name>/unregister", Endpoint::kCudaSharedMemoryUnregister, kPost},
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::StatusOr<std::string> DecodePercent(const std::string& text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return InvalidArgument("'", text, "' in the path has a broken %-escape");
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

bool Fits(const Pattern& pattern, const std::vector<std::string>& segments, Route* route) {
  const std::vector<std::string> wanted = absl::StrSplit(pattern.path, '/');
  if (wanted.size() != segments.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "<name>") {
      route->name = segments[i];
    } else if (wanted[i] == "<version>") {
      route->version = segments[i];
    } else if (wanted[i] != segments[i]) {
      return false;
    }
    if (segments[i].empty()) return false;
  }
  return true;
}

}  // namespace

bool Route::Takes(std::string_view method) const {
  for (const absl::string_view one : absl::StrSplit(absl::string_view(methods.data(), methods.size()), ", ")) {
    if (std::string_view(one.data(), one.size()) == method) return true;
  }
  return false;
}

bool Route::IsAdministrative() const {
  switch (endpoint) {
    case Endpoint::kRepositoryModelLoad:
    case Endpoint::kRepositoryModelUnload:
    case Endpoint::kSystemSharedMemoryRegister:
    case Endpoint::kSystemSharedMemoryUnregister:
    case Endpoint::kCudaSharedMemoryRegister:
    case Endpoint::kCudaSharedMemoryUnregister:
    case Endpoint::kTraceSetting:
    case Endpoint::kLogSettings:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<std::optional<Route>> FindRoute(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  std::vector<std::string> segments = absl::StrSplit(absl::string_view(path.data(), path.size()), '/');
  for (std::string& segment : segments) {
    MSQ_ASSIGN_OR_RETURN(segment, DecodePercent(segment));
  }
  for (const Pattern& pattern : kPatterns) {
    Route route{pattern.endpoint, pattern.methods, "", ""};
    if (Fits(pattern, segments, &route)) return route;
  }
  return std::nullopt;
}

}  // namespace msq::server
