#include "server/security/credential_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

}  // namespace

absl::StatusOr<std::string> ReadCredentialFile(const std::string& path, FileContent content) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return NotFound(path, ": no such file");
  if (error) return InvalidArgument(path, ": ", error.message());
  // Asked before it is opened: to open a FIFO is to wait for its writer.
  if (status.type() != fs::file_type::regular) return InvalidArgument(path, ": is no regular file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidArgument(path, ": cannot be opened: ", std::strerror(errno));
  std::string bytes(kMaxBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) return InvalidArgument(path, ": cannot be read");
  bytes.resize(static_cast<size_t>(file.gcount()));
  if (bytes.size() > kMaxBytes) return InvalidArgument(path, ": is larger than ", kMaxBytes, " bytes");
  if (content == FileContent::kSecret && (status.permissions() & fs::perms::others_read) != fs::perms::none) {
    LogWarning(path, ": holds secrets and everybody may read it; chmod o-r helps");
  }
  return bytes;
}

}  // namespace msq::server
