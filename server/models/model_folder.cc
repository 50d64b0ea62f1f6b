#include "server/models/model_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status.h"

namespace msq::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNameBytes = 255;

void AddStamp(const fs::path& folder, const std::string& name, FolderStamp* stamp) {
  struct stat info;
  if (stat((folder / name).c_str(), &info) != 0) return;
  (*stamp)[name] = {info.st_dev, info.st_ino, info.st_size,
                    int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

}  // namespace

bool IsModelName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isprint(c) && c != '/'; });
}

int64_t ParseVersion(std::string_view text) {
  int64_t version = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &version) || version <= 0) return 0;
  return std::to_string(version) == text ? version : 0;
}

absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name[0] != '.' && it->is_directory(ignored)) names.push_back(std::move(name));
  }
  if (error) return NotFound(path, ": ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<int64_t>> ListVersions(const std::string& folder) {
  MSQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolders(folder));
  std::vector<int64_t> versions;
  for (const std::string& name : names) {
    if (const int64_t version = ParseVersion(name); version > 0) versions.push_back(version);
  }
  return versions;
}

FolderStamp StampOf(const std::string& folder) {
  FolderStamp stamp;
  AddStamp(folder, std::string(kConfigName), &stamp);
  const auto versions = ListVersions(folder);
  if (!versions.ok()) return stamp;
  for (int64_t version : *versions) {
    const std::string name = std::to_string(version);
    stamp[name] = {};  // a version without files is one
    std::error_code error;
    fs::directory_iterator it(fs::path(folder) / name, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      AddStamp(folder, name + "/" + it->path().filename().string(), &stamp);
    }
  }
  return stamp;
}

}  // namespace msq::server
