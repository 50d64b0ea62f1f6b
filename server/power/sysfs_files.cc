#include "server/power/sysfs_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr size_t kMostBytes = 4096;  // of an attribute

absl::Status ErrorOf(int error, const std::string& path) {
  const char* const why = std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound(path, ": ", why);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(absl::StrCat(path, ": ", why));
  return Unavailable(path, ": ", why);
}

}  // namespace

absl::StatusOr<std::string> SysfsFiles::Read(const std::string& path) const {
  const std::string full = FullPath(path);
  const int file = open(full.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrorOf(errno, full);
  std::string text(kMostBytes, '\0');
  const ssize_t bytes = read(file, text.data(), text.size());  // an attribute comes whole
  const int error = errno;
  close(file);
  if (bytes < 0) return ErrorOf(error, full);
  text.resize(static_cast<size_t>(bytes));
  absl::StripTrailingAsciiWhitespace(&text);
  return text;
}

std::vector<std::string> SysfsFiles::List(const std::string& path) const {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(FullPath(path), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string SysfsFiles::LinkName(const std::string& path) const {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::read_symlink(FullPath(path), error);
  return error ? std::string() : target.filename().string();
}

absl::StatusOr<int64_t> SysfsFiles::ReadInteger(const std::string& path) const {
  MSQ_ASSIGN_OR_RETURN(const std::string text, Read(path));
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return Unavailable(FullPath(path), ": holds no integer");
  return value;
}

}  // namespace msq::server
