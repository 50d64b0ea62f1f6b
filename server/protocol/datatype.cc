#include "server/protocol/datatype.h"

#include <iterator>

namespace msq::server {
namespace {

struct Entry {
  std::string_view name;
  int64_t bytes;
};

// By the number of the type.
constexpr Entry kEntries[] = {{"", 0},       {"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4},
                              {"UINT64", 8}, {"INT8", 1}, {"INT16", 2}, {"INT32", 4},  {"INT64", 8},
                              {"FP16", 2},   {"FP32", 4}, {"FP64", 8},  {"BYTES", 0},  {"BF16", 2}};
static_assert(std::size(kEntries) == inference::DataType_ARRAYSIZE);

}  // namespace

std::string_view DatatypeName(Datatype datatype) {
  return kEntries[static_cast<size_t>(datatype)].name;
}

std::optional<Datatype> ParseDatatype(std::string_view name) {
  for (size_t i = 1; i < std::size(kEntries); ++i) {
    if (kEntries[i].name == name) return static_cast<Datatype>(i);
  }
  return std::nullopt;
}

int64_t ElementBytes(Datatype datatype) {
  return kEntries[static_cast<size_t>(datatype)].bytes;
}

}  // namespace msq::server
