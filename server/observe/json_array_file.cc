#include "server/observe/json_array_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace msq::server {
namespace {

// Zero, or the errno of what stopped it.
int WriteAt(int descriptor, std::string_view bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return 0;
}

}  // namespace

JsonArrayFile::~JsonArrayFile() {
  Close();
}

void JsonArrayFile::Close() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
}

absl::Status JsonArrayFile::Open(const std::string& path) {
  Close();
  path_ = path;
  size_ = 0;
  // O_NONBLOCK: a FIFO without a reader is an error, not a wait. O_NOFOLLOW: names are easily guessed, and a link of
  // that name could have any file emptied.
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0640);
  if (descriptor_ < 0) return Unavailable(path, ": cannot be opened: ", std::strerror(errno));
  return absl::OkStatus();
}

absl::Status JsonArrayFile::Append(std::string_view items) {
  // The closing bracket is overwritten by a comma, in one write with what follows.
  const int64_t offset = size_ == 0 ? 0 : size_ - 1;
  const std::string bytes = absl::StrCat(size_ == 0 ? "[" : ",", absl::string_view(items.data(), items.size()), "]");
  const int error = WriteAt(descriptor_, bytes, offset);
  if (error == 0) {
    size_ = offset + static_cast<int64_t>(bytes.size());
    return absl::OkStatus();
  }
  // Needs no space: the bytes are the file's already.
  if (ftruncate(descriptor_, static_cast<off_t>(size_)) == 0 && size_ > 0) WriteAt(descriptor_, "]", offset);
  return Unavailable(path_, ": cannot be written: ", std::strerror(error));
}

}  // namespace msq::server
