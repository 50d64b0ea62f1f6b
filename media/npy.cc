#include "media/npy.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/numbers.h"
#include "base/check.h"
#include "base/status.h"
#include "media/file.h"

namespace msq::media {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 32;  // NumPy's own limit

struct TypeRow {
  ArrayType type;
  std::string_view code;  // after the byte order
  size_t bytes;
};
constexpr std::array<TypeRow, 6> kTypes = {{{ArrayType::kUint8, "u1", 1},
                                            {ArrayType::kInt8, "i1", 1},
                                            {ArrayType::kInt32, "i4", 4},
                                            {ArrayType::kInt64, "i8", 8},
                                            {ArrayType::kFloat32, "f4", 4},
                                            {ArrayType::kFloat64, "f8", 8}}};

const TypeRow& RowOf(ArrayType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row;
  }
  MSQ_CHECK(false);
  return kTypes[0];
}

template <typename T>
T LoadAt(const std::string& bytes, int64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

// Calls use(value) with element i in its own type.
template <typename Use>
auto Visit(const Array& array, int64_t i, Use use) {
  switch (array.type) {
    case ArrayType::kUint8:
      return use(LoadAt<uint8_t>(array.bytes, i));
    case ArrayType::kInt8:
      return use(LoadAt<int8_t>(array.bytes, i));
    case ArrayType::kInt32:
      return use(LoadAt<int32_t>(array.bytes, i));
    case ArrayType::kInt64:
      return use(LoadAt<int64_t>(array.bytes, i));
    case ArrayType::kFloat32:
      return use(LoadAt<float>(array.bytes, i));
    case ArrayType::kFloat64:
      break;
  }
  return use(LoadAt<double>(array.bytes, i));
}

int64_t Truncate(double value) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (std::isnan(value)) return 0;
  if (value >= kLimit) return std::numeric_limits<int64_t>::max();
  if (value < -kLimit) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

// Reads the header: a Python dictionary literal with the keys descr, fortran_order and shape.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  absl::Status Read(Array& array) {
    if (!Take("{")) return Bad("does not start with '{'");
    while (!Take("}")) {
      const std::optional<std::string_view> key = TakeString();
      if (!key || !Take(":")) return Bad("has no key where one is due");
      if (*key == "descr") {
        MSQ_RETURN_IF_ERROR(ReadType(array));
        seen_ |= 1;
      } else if (*key == "fortran_order") {
        if (Take("True")) return InvalidArgument("npy: Fortran order; save it with numpy.ascontiguousarray");
        if (!Take("False")) return Bad("has a fortran_order that is neither True nor False");
        seen_ |= 2;
      } else if (*key == "shape") {
        MSQ_RETURN_IF_ERROR(ReadShape(array));
        seen_ |= 4;
      } else {
        return Bad("has an unknown key");
      }
      Take(",");
    }
    if (seen_ != 7) return Bad("lacks descr, fortran_order or shape");
    if (!AtEnd()) return Bad("goes on after '}'");
    return absl::OkStatus();
  }

 private:
  static absl::Status Bad(std::string_view what) { return InvalidArgument("npy: header ", std::string(what)); }

  bool AtEnd() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    return rest_.empty();
  }

  bool Take(std::string_view token) {
    if (AtEnd() || !rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::optional<std::string_view> TakeString() {
    if (AtEnd() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view result = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return result;
  }

  absl::Status ReadType(Array& array) {
    const std::optional<std::string_view> text = TakeString();
    if (!text || text->empty()) return InvalidArgument("npy: structured element types are not read");
    if ((*text)[0] == '>') return InvalidArgument("npy: big-endian element type ", std::string(*text));
    for (const TypeRow& row : kTypes) {
      const bool order_fits = (*text)[0] == '<' || (row.bytes == 1 && (*text)[0] == '|');
      if (order_fits && text->substr(1) == row.code) {
        array.type = row.type;
        return absl::OkStatus();
      }
    }
    return InvalidArgument("npy: element type '", std::string(*text),
                           "' is none of uint8, int8, int32, int64, float32, float64");
  }

  absl::Status ReadShape(Array& array) {
    array.shape.clear();
    if (!Take("(")) return Bad("has a shape that is no tuple");
    while (!Take(")")) {
      AtEnd();
      const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      int64_t dimension = 0;
      if (!absl::SimpleAtoi(absl::string_view(rest_.data(), digits), &dimension)) {
        return Bad("has a shape with an impossible dimension");
      }
      rest_.remove_prefix(digits);
      array.shape.push_back(dimension);
      if (array.shape.size() > kMaxRank) return Bad("has a shape of more than 32 dimensions");
      if (Take(",")) continue;
      if (!Take(")")) return Bad("has a shape that is not closed");
      break;
    }
    return absl::OkStatus();
  }

  std::string_view rest_;
  int seen_ = 0;
};

// Bytes that the shape asks for, or nullopt when that overflows.
std::optional<int64_t> ExpectedBytes(const Array& array) {
  int64_t bytes = static_cast<int64_t>(RowOf(array.type).bytes);
  bool overflow = false;
  bool empty = false;
  for (const int64_t dimension : array.shape) {
    empty |= dimension == 0;
    overflow |= __builtin_mul_overflow(bytes, dimension, &bytes);
  }
  if (empty) return 0;
  if (overflow) return std::nullopt;
  return bytes;
}

size_t LittleEndian(std::string_view bytes) {
  size_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

int64_t Array::ElementCount() const {
  return static_cast<int64_t>(bytes.size() / RowOf(type).bytes);
}

float Array::FloatAt(int64_t i) const {
  return Visit(*this, i, [](auto value) { return static_cast<float>(value); });
}

int64_t Array::IntAt(int64_t i) const {
  return Visit(*this, i, [](auto value) {
    if constexpr (std::is_floating_point_v<decltype(value)>) return Truncate(value);
    return static_cast<int64_t>(value);
  });
}

absl::StatusOr<Array> ParseNpy(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 10)
    return InvalidArgument("npy: does not start as an npy file does");
  const int version = static_cast<uint8_t>(bytes[6]);
  if (version < 1 || version > 3) return InvalidArgument("npy: format version ", version, " is unknown");
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t start = 8 + length_bytes;
  if (bytes.size() < start) return InvalidArgument("npy: ends within its header");
  const size_t length = LittleEndian(bytes.substr(8, length_bytes));
  if (bytes.size() - start < length) return InvalidArgument("npy: ends within its header");

  Array array;
  MSQ_RETURN_IF_ERROR(HeaderReader(bytes.substr(start, length)).Read(array));
  const std::string_view data = bytes.substr(start + length);
  const std::optional<int64_t> expected = ExpectedBytes(array);
  if (!expected) return InvalidArgument("npy: its shape asks for more than 2^63 bytes");
  if (static_cast<uint64_t>(*expected) != data.size()) {
    return InvalidArgument("npy: holds ", data.size(), " bytes of data, its shape asks for ", *expected);
  }
  array.bytes = std::string(data);
  return array;
}

std::string SerializeNpy(const Array& array) {
  MSQ_CHECK(ExpectedBytes(array) == static_cast<int64_t>(array.bytes.size()));
  const TypeRow& row = RowOf(array.type);
  std::string header = absl::StrCat("{'descr': '", row.bytes == 1 ? "|" : "<", std::string(row.code),
                                    "', 'fortran_order': False, 'shape': (");
  for (const int64_t dimension : array.shape) absl::StrAppend(&header, dimension, ", ");
  header += "), }";
  // Data starts at a multiple of 64, after magic, version, length and a final newline.
  header.append(63 - (kMagic.size() + 4 + header.size()) % 64, ' ');
  header += '\n';
  std::string result(kMagic);
  result += {'\x01', '\x00', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return result + header + array.bytes;
}

absl::StatusOr<Array> ReadNpy(const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, ReadFileBytes(path));
  absl::StatusOr<Array> array = ParseNpy(bytes);
  if (!array.ok()) return WithContext(array.status(), path);
  return array;
}

}  // namespace msq::media
