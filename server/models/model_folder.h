// What lies in a model repository: names of models, their versions, and whether something changed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::server {

inline constexpr std::string_view kConfigName = "config.pbtxt";

// Whether a model may have the name: not empty, at most 255 printable ASCII characters without '/', the first no '.'. Such
// a name is that of a folder in the repository, and fits into messages and metric labels.
bool IsModelName(std::string_view name);

// The positive integer that `text` spells in the one usual way, else 0.
int64_t ParseVersion(std::string_view text);

// Names of the folders in `path`, sorted, hidden ones left out. NOT_FOUND when it cannot be read.
absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& path);

// Versions that a model's folder holds. NOT_FOUND when it cannot be read.
absl::StatusOr<std::vector<int64_t>> ListVersions(const std::string& folder);

// What tells a file from what stood there before.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
// The configuration and the files of the versions, by path in the model's folder.
using FolderStamp = std::map<std::string, FileStamp>;
FolderStamp StampOf(const std::string& folder);

}  // namespace msq::server
