#include "server/http/tensor_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/status.h"
#include "server/http/message_json.h"

namespace msq::server {
namespace {

constexpr size_t kMaxNesting = 32;

template <typename T>
void AppendBytes(T value, std::string* bytes) {
  std::array<char, sizeof(T)> raw;
  std::memcpy(raw.data(), &value, sizeof(T));  // little-endian, as every machine that this runs on
  bytes->append(raw.data(), raw.size());
}

absl::Status OutOfRange(std::string_view value, Datatype datatype) {
  return InvalidArgument(std::string(value), " is out of range for ", std::string(DatatypeName(datatype)));
}

absl::Status WrongKind(std::string_view kind, Datatype datatype) {
  return InvalidArgument(std::string(kind), " is no value of ", std::string(DatatypeName(datatype)));
}

template <typename T, typename Integer>
absl::Status AppendInteger(Integer value, Datatype datatype, std::string* bytes) {
  if (!std::in_range<T>(value)) return OutOfRange(std::to_string(value), datatype);
  AppendBytes(static_cast<T>(value), bytes);
  return absl::OkStatus();
}

}  // namespace

absl::Status TensorFromJson::Open() {
  if (lengths_.size() == kMaxNesting) return InvalidArgument("arrays are nested deeper than ", kMaxNesting);
  if (value_depth_ > 0 && lengths_.size() >= value_depth_)
    return InvalidArgument("an array stands where values are expected");
  if (!lengths_.empty()) ++lengths_.back();
  lengths_.push_back(0);
  if (dims_.size() < lengths_.size()) dims_.push_back(-1);
  return absl::OkStatus();
}

absl::Status TensorFromJson::Close() {
  int64_t& expected = dims_[lengths_.size() - 1];
  const int64_t length = lengths_.back();
  if (expected < 0) expected = length;
  if (expected != length) {
    return InvalidArgument("the data is ragged: an array has ", length, " elements, and one before it ", expected);
  }
  lengths_.pop_back();
  return absl::OkStatus();
}

std::string TensorFromJson::Position() const {
  std::string position;
  for (size_t i = 0; i < lengths_.size(); ++i) {
    const bool innermost = i + 1 == lengths_.size();  // the others count the array that is open within
    absl::StrAppend(&position, "[", innermost ? lengths_[i] : lengths_[i] - 1, "]");
  }
  return position;
}

absl::Status TensorFromJson::CountValue() {
  if (bytes_.size() > max_bytes_) return InvalidArgument("the request's tensors are larger than its limit of bytes");
  if (value_depth_ == 0) value_depth_ = lengths_.size();
  if (lengths_.size() != value_depth_ || dims_.size() != value_depth_) {
    return InvalidArgument("a value stands where an array is expected");
  }
  ++lengths_.back();
  return absl::OkStatus();
}

template <typename Integer>
absl::Status TensorFromJson::AddInteger(Integer value) {
  const auto append = [&]() -> absl::Status {
    switch (datatype_) {
      case Datatype::kBool:
        if (value != 0 && value != 1) return OutOfRange(std::to_string(value), datatype_);
        bytes_.push_back(static_cast<char>(value));
        return absl::OkStatus();
      case Datatype::kUint8:
        return AppendInteger<uint8_t>(value, datatype_, &bytes_);
      case Datatype::kUint16:
        return AppendInteger<uint16_t>(value, datatype_, &bytes_);
      case Datatype::kUint32:
        return AppendInteger<uint32_t>(value, datatype_, &bytes_);
      case Datatype::kUint64:
        return AppendInteger<uint64_t>(value, datatype_, &bytes_);
      case Datatype::kInt8:
        return AppendInteger<int8_t>(value, datatype_, &bytes_);
      case Datatype::kInt16:
        return AppendInteger<int16_t>(value, datatype_, &bytes_);
      case Datatype::kInt32:
        return AppendInteger<int32_t>(value, datatype_, &bytes_);
      case Datatype::kInt64:
        return AppendInteger<int64_t>(value, datatype_, &bytes_);
      case Datatype::kFp32:
        AppendBytes(static_cast<float>(value), &bytes_);
        return absl::OkStatus();
      case Datatype::kFp64:
        AppendBytes(static_cast<double>(value), &bytes_);
        return absl::OkStatus();
      case Datatype::kBytes:
        return WrongKind("a number", datatype_);
      case Datatype::kFp16:
      case Datatype::kBf16:
        break;
    }
    return InvalidArgument(std::string(DatatypeName(datatype_)), " data can only be sent as binary data");
  };
  MSQ_RETURN_IF_ERROR(append());
  return CountValue();
}

absl::Status TensorFromJson::Add(int64_t value) {
  return AddInteger(value);
}
absl::Status TensorFromJson::Add(uint64_t value) {
  return AddInteger(value);
}

absl::Status TensorFromJson::Add(bool value) {
  if (datatype_ != Datatype::kBool) return WrongKind(value ? "true" : "false", datatype_);
  bytes_.push_back(value ? 1 : 0);
  return CountValue();
}

absl::Status TensorFromJson::Add(double value, std::string_view text) {
  if (datatype_ == Datatype::kFp64) {
    AppendBytes(value, &bytes_);
    return CountValue();
  }
  if (datatype_ == Datatype::kFp32) {
    // From the text: through a double it would be rounded twice.
    float nearest = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), nearest);
    if (error == std::errc::result_out_of_range && std::abs(value) < 1)
      nearest = std::signbit(value) ? -0.0f : 0.0f;
    else if (error != std::errc())
      return OutOfRange(text, datatype_);
    AppendBytes(nearest, &bytes_);
    return CountValue();
  }
  if (datatype_ == Datatype::kBytes) return WrongKind("a number", datatype_);
  if (text.find_first_of(".eE") == text.npos) return OutOfRange(text, datatype_);
  return InvalidArgument(std::string(text), " is no integer, as ", std::string(DatatypeName(datatype_)), " needs");
}

absl::Status TensorFromJson::Add(const std::string& value) {
  if (datatype_ != Datatype::kBytes) return WrongKind("a string", datatype_);
  AppendBytes(static_cast<uint32_t>(value.size()), &bytes_);
  bytes_ += value;
  return CountValue();
}

namespace {

template <typename T>
void AppendNumber(T value, std::string* json) {
  std::array<char, 32> text;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      *json += "null";
      return;
    }
  }
  char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  if constexpr (std::is_same_v<T, float>) {
    // Most readers parse a double and round that: where the two roundings do not give the float back, say the double.
    double read = 0;
    std::from_chars(text.data(), end, read);
    if (static_cast<float>(read) != value) {
      end = std::to_chars(text.data(), text.data() + text.size(), static_cast<double>(value)).ptr;
    }
  }
  json->append(text.data(), end);
}

template <typename T>
absl::Status AppendNumbers(Datatype datatype, std::string_view bytes, std::string* json) {
  if (bytes.size() % sizeof(T) != 0) {
    return absl::InternalError(
        absl::StrCat(bytes.size(), " bytes are no tensor of ", std::string(DatatypeName(datatype))));
  }
  for (size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if (i > 0) json->push_back(',');
    if (datatype == Datatype::kBool) {
      *json += value != 0 ? "true" : "false";
    } else {
      AppendNumber(value, json);
    }
  }
  return absl::OkStatus();
}

absl::Status AppendStrings(std::string_view bytes, std::string* json) {
  for (size_t count = 0; !bytes.empty(); ++count) {
    uint32_t length = 0;
    if (bytes.size() >= sizeof(length)) std::memcpy(&length, bytes.data(), sizeof(length));
    if (bytes.size() < sizeof(length) || bytes.size() - sizeof(length) < length) {
      return absl::InternalError(absl::StrCat("element ", count, " of the tensor of BYTES is cut off"));
    }
    if (count > 0) json->push_back(',');
    try {
      *json += Json(bytes.substr(sizeof(length), length)).dump();
    } catch (const Json::exception&) {
      return InvalidArgument("element ", count, " is no UTF-8 and can only be sent as binary data");
    }
    bytes.remove_prefix(sizeof(length) + length);
  }
  return absl::OkStatus();
}

absl::Status AppendValues(Datatype datatype, std::string_view bytes, std::string* json) {
  switch (datatype) {
    case Datatype::kBool:
    case Datatype::kUint8:
      return AppendNumbers<uint8_t>(datatype, bytes, json);
    case Datatype::kUint16:
      return AppendNumbers<uint16_t>(datatype, bytes, json);
    case Datatype::kUint32:
      return AppendNumbers<uint32_t>(datatype, bytes, json);
    case Datatype::kUint64:
      return AppendNumbers<uint64_t>(datatype, bytes, json);
    case Datatype::kInt8:
      return AppendNumbers<int8_t>(datatype, bytes, json);
    case Datatype::kInt16:
      return AppendNumbers<int16_t>(datatype, bytes, json);
    case Datatype::kInt32:
      return AppendNumbers<int32_t>(datatype, bytes, json);
    case Datatype::kInt64:
      return AppendNumbers<int64_t>(datatype, bytes, json);
    case Datatype::kFp32:
      return AppendNumbers<float>(datatype, bytes, json);
    case Datatype::kFp64:
      return AppendNumbers<double>(datatype, bytes, json);
    case Datatype::kBytes:
      return AppendStrings(bytes, json);
    case Datatype::kFp16:
    case Datatype::kBf16:
      break;
  }
  return InvalidArgument(std::string(DatatypeName(datatype)), " data can only be sent as binary data");
}

}  // namespace

absl::Status AppendTensorJson(Datatype datatype, std::string_view bytes, std::string* json) {
  json->push_back('[');
  MSQ_RETURN_IF_ERROR(AppendValues(datatype, bytes, json));
  json->push_back(']');
  return absl::OkStatus();
}

}  // namespace msq::server
