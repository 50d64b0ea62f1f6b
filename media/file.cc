#include "media/file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/status.h"

namespace msq::media {

absl::StatusOr<std::string> ReadFileBytes(const std::string& path) {
  constexpr uintmax_t kMaxBytes = uintmax_t{1} << 32;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return NotFound(path, ": ", error ? error.message() : "no such file");
  // Devices and pipes may never end.
  if (!std::filesystem::is_regular_file(status)) return InvalidArgument(path, ": is not a regular file");
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return DataLoss(path, ": ", error.message());
  if (size > kMaxBytes) return InvalidArgument(path, ": is larger than 4 GiB");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return DataLoss(path, ": cannot be opened: ", std::strerror(errno));
  std::string bytes(size, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(size));
  if (stream.gcount() != static_cast<std::streamsize>(size)) return DataLoss(path, ": cannot be read to its end");
  return bytes;
}

}  // namespace msq::media
