#include "backends/fpga/xclbin_file.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "base/status.h"

namespace msq::fpga {
namespace {

// The structures axlf and axlf_section_header of XRT's xclbin.h, which is not included: this is checked in every build.
constexpr std::string_view kMagic = {"xclbin2\0", 8};
constexpr size_t kLengthAt = 304, kSectionCountAt = 448, kSectionsAt = 456;
constexpr size_t kSectionBytes = 40, kSectionOffsetAt = 24, kSectionSizeAt = 32;
constexpr uint32_t kMostSections = 64;

// Sections that are a count and an array.
struct Table {
  uint32_t kind;
  const char* name;
  size_t array_at, entry_bytes;
};
constexpr Table kTables[] = {{6, "MEM_TOPOLOGY", 8, 40}, {7, "CONNECTIVITY", 4, 12}, {8, "IP_LAYOUT", 8, 80}};

template <typename T>
T Take(const std::vector<char>& file, size_t at) {
  T value;
  std::memcpy(&value, &file[at], sizeof(value));
  return value;
}

absl::Status CheckTable(const std::vector<char>& file, uint32_t kind, size_t offset, size_t size) {
  for (const Table& table : kTables) {
    if (table.kind != kind) continue;
    const int64_t count = size < sizeof(int32_t) ? -1 : Take<int32_t>(file, offset);
    if (count < 0 || size < table.array_at ||
        (size - table.array_at) / table.entry_bytes < static_cast<size_t>(count)) {
      return DataLoss("section ", table.name, " has ", size, " bytes, not enough for ", count, " entries");
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const std::vector<char>& file) {
  if (file.size() < kSectionsAt || std::string_view(file.data(), kMagic.size()) != kMagic) {
    return DataLoss("it does not begin as an .xclbin does");
  }
  const auto length = Take<uint64_t>(file, kLengthAt);
  if (length != file.size()) return DataLoss("it has ", file.size(), " bytes, and says that it has ", length);
  const auto sections = Take<uint32_t>(file, kSectionCountAt);
  if (sections > kMostSections || (file.size() - kSectionsAt) / kSectionBytes < sections) {
    return DataLoss("it has no room for ", sections, " sections");
  }
  for (uint32_t i = 0; i < sections; ++i) {
    const size_t header = kSectionsAt + kSectionBytes * i;
    const auto offset = Take<uint64_t>(file, header + kSectionOffsetAt),
               size = Take<uint64_t>(file, header + kSectionSizeAt);
    if (offset > length || size > length - offset) return DataLoss("section ", i, " is not inside it");
    MSQ_RETURN_IF_ERROR(
        CheckTable(file, Take<uint32_t>(file, header), static_cast<size_t>(offset), static_cast<size_t>(size)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<char>> ReadXclbin(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return NotFound(path, " is no file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return NotFound(path, " cannot be read");
  std::vector<char> file{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  MSQ_RETURN_IF_ERROR(WithContext(Check(file), path));
  return file;
}

}  // namespace msq::fpga
