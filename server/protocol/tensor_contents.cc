#include "server/protocol/tensor_contents.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "base/status.h"

namespace msq::server {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

template <typename Field>
std::string_view InPlace(const Field& field) {
  return {reinterpret_cast<const char*>(field.data()), static_cast<size_t>(field.size()) * sizeof(*field.data())};
}

// Small integers travel in fields of 32 bits.
template <typename Narrow, typename Field>
absl::StatusOr<std::string_view> Narrowed(const Field& field, std::string_view field_name, std::string* storage) {
  storage->resize(static_cast<size_t>(field.size()) * sizeof(Narrow));
  auto* out = storage->data();
  for (const auto value : field) {
    if (value < std::numeric_limits<Narrow>::min() || value > std::numeric_limits<Narrow>::max()) {
      return InvalidArgument(std::string(field_name), " holds the value ", value, ", out of range for the data-type");
    }
    const auto narrow = static_cast<Narrow>(value);
    for (size_t byte = 0; byte < sizeof(Narrow); ++byte) *out++ = static_cast<char>(narrow >> (8 * byte));
  }
  return *storage;
}

std::string_view LengthPrefixed(const google::protobuf::RepeatedPtrField<std::string>& field, std::string* storage) {
  for (const std::string& element : field) {
    for (int shift = 0; shift < 32; shift += 8) storage->push_back(static_cast<char>(element.size() >> shift));
    storage->append(element);
  }
  return *storage;
}

}  // namespace

absl::StatusOr<std::string_view> TypedContents(const inference::InferTensorContents& contents, Datatype datatype,
                                               std::string* storage) {
  switch (datatype) {
    case Datatype::kBool:
      return InPlace(contents.bool_contents());
    case Datatype::kUint8:
      return Narrowed<uint8_t>(contents.uint_contents(), "uint_contents", storage);
    case Datatype::kUint16:
      return Narrowed<uint16_t>(contents.uint_contents(), "uint_contents", storage);
    case Datatype::kUint32:
      return InPlace(contents.uint_contents());
    case Datatype::kUint64:
      return InPlace(contents.uint64_contents());
    case Datatype::kInt8:
      return Narrowed<int8_t>(contents.int_contents(), "int_contents", storage);
    case Datatype::kInt16:
      return Narrowed<int16_t>(contents.int_contents(), "int_contents", storage);
    case Datatype::kInt32:
      return InPlace(contents.int_contents());
    case Datatype::kInt64:
      return InPlace(contents.int64_contents());
    case Datatype::kFp32:
      return InPlace(contents.fp32_contents());
    case Datatype::kFp64:
      return InPlace(contents.fp64_contents());
    case Datatype::kBytes:
      return LengthPrefixed(contents.bytes_contents(), storage);
    case Datatype::kFp16:
    case Datatype::kBf16:
      break;
  }
  return InvalidArgument("data-type ", std::string(DatatypeName(datatype)), " travels in raw_input_contents only");
}

}  // namespace msq::server
