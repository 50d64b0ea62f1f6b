#include "server/models/load_parameters.h"

#include <string_view>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "server/models/model_config.h"
#include "server/models/model_folder.h"

namespace msq::server {
namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::string_view kArtifactSuffix = "/model.msq";

bool IsArtifactPath(std::string_view path) {
  if (path.size() < kArtifactSuffix.size()) return false;
  const size_t version_bytes = path.size() - kArtifactSuffix.size();
  return path.substr(version_bytes) == kArtifactSuffix && ParseVersion(path.substr(0, version_bytes)) > 0;
}

}  // namespace

absl::StatusOr<ModelRepository::LoadRequest> ReadLoadParameters(
    const google::protobuf::Map<std::string, inference::ModelRepositoryParameter>& parameters) {
  ModelRepository::LoadRequest request;
  std::string file;  // one of them, for the message
  for (const auto& [key, value] : parameters) {
    const std::string shown = absl::StrCat("parameter '", absl::CEscape(key), "'");
    if (key == "config") {
      if (!value.has_string_param()) return InvalidArgument(shown, " must be a string");
      if (value.string_param().empty()) return InvalidArgument(shown, " is empty");
      if (value.string_param().size() > kMaxConfigBytes) {
        return InvalidArgument(shown, " is larger than ", kMaxConfigBytes, " bytes");
      }
      request.config = value.string_param();
    } else if (key.compare(0, kFilePrefix.size(), kFilePrefix) == 0) {
      const std::string path = key.substr(kFilePrefix.size());
      if (!IsArtifactPath(path)) {
        // Code and first words are Triton's: its stock example of model control ends with an error at any other.
        return absl::InternalError(
            absl::StrCat("failed to poll from model repository: ", shown,
                         ": the file must be <version>/model.msq, the version an integral value > 0"));
      }
      if (!value.has_bytes_param()) return InvalidArgument(shown, " must be bytes");
      request.files[path] = value.bytes_param();
      file = shown;
    } else {
      return InvalidArgument(shown, " is not known; there are 'config' and 'file:<version>/model.msq'");
    }
  }
  if (!request.files.empty() && request.config.empty()) {
    return InvalidArgument(file, " needs the parameter 'config' beside it");
  }
  return request;
}

}  // namespace msq::server
