#include "media/npy.h"

#include <zip.h>

#include <memory>
#include <utility>

#include "base/status.h"

namespace msq::media {
namespace {

constexpr uint64_t kMaxArchiveBytes = uint64_t{1} << 32;  // unpacked
constexpr size_t kChunkBytes = size_t{1} << 20;

using Archive = std::unique_ptr<zip_t, void (*)(zip_t*)>;

absl::StatusOr<Archive> OpenArchive(const std::string& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code), zip_discard);
  if (archive != nullptr) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string cause = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (code == ZIP_ER_NOENT) return NotFound(path, ": ", cause);
  return InvalidArgument(path, ": npz: ", cause);
}

// Grows as data arrives: a declared size costs nothing until its bytes are there.
absl::StatusOr<std::string> ReadMember(zip_t* archive, uint64_t index, uint64_t budget) {
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive, index, 0), zip_fclose);
  if (file == nullptr) return InvalidArgument(zip_strerror(archive));
  std::string bytes;
  for (;;) {
    const size_t filled = bytes.size();
    bytes.resize(filled + kChunkBytes);
    const zip_int64_t count = zip_fread(file.get(), bytes.data() + filled, kChunkBytes);
    if (count < 0) return InvalidArgument(zip_file_strerror(file.get()));  // includes a wrong CRC
    bytes.resize(filled + static_cast<size_t>(count));
    if (count == 0) return bytes;
    if (bytes.size() > budget) return InvalidArgument("brings the archive to over 4 GiB");
  }
}

absl::StatusOr<Array> ReadArray(zip_t* archive, uint64_t index, uint64_t* budget) {
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, ReadMember(archive, index, *budget));
  *budget -= bytes.size();
  return ParseNpy(bytes);
}

}  // namespace

absl::StatusOr<std::map<std::string, Array>> ReadNpz(const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(const Archive archive, OpenArchive(path));
  std::map<std::string, Array> result;
  uint64_t budget = kMaxArchiveBytes;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const char* raw_name = zip_get_name(archive.get(), index, 0);
    if (raw_name == nullptr) return InvalidArgument(path, ": npz: member ", i, ": ", zip_strerror(archive.get()));
    std::string name = raw_name;
    if (!name.ends_with(".npy")) return InvalidArgument(path, ": npz: member '", name, "' is not an .npy file");
    absl::StatusOr<Array> array = ReadArray(archive.get(), index, &budget);
    if (!array.ok()) return WithContext(array.status(), path, ": member '", name, "'");
    name.resize(name.size() - 4);
    if (!result.emplace(name, *std::move(array)).second) {
      return InvalidArgument(path, ": npz: member '", name, "' is there twice");
    }
  }
  return result;
}

}  // namespace msq::media
