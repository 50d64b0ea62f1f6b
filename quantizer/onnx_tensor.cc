// TensorProto to HostTensor: every element type that exporters store weights and shapes in, with every length checked.
#include <cmath>
#include <cstring>

#include "quantizer/onnx_builder.h"

namespace msq::quantizer {
namespace {

constexpr int64_t kMaxConstantElements = int64_t{1} << 28;

absl::StatusOr<int64_t> CountElements(const onnx::TensorProto& proto) {
  int64_t count = 1;
  if (proto.dims_size() > static_cast<int>(kMaxConstantRank))
    return InvalidArgument("has ", proto.dims_size(), " dimensions");
  for (int64_t dim : proto.dims()) {
    if (dim < 0 || dim > kMaxConstantElements) return InvalidArgument("has an impossible dimension ", dim);
    count *= dim;
    if (count > kMaxConstantElements) return InvalidArgument("has more than ", kMaxConstantElements, " elements");
  }
  return count;
}

float HalfToFloat(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  float magnitude;
  if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  } else if (exponent == 31) {
    magnitude = mantissa == 0 ? INFINITY : NAN;
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

template <typename Stored, typename Element>
absl::Status ReadRaw(const std::string& raw, int64_t count, std::vector<Element>& out) {
  if (static_cast<int64_t>(raw.size()) != count * static_cast<int64_t>(sizeof(Stored))) {
    return InvalidArgument("holds ", raw.size(), " bytes where its shape needs ", count * sizeof(Stored),
                           "; the file is damaged");
  }
  out.resize(count);
  for (int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, raw.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<Element>(stored);
  }
  return absl::OkStatus();
}

template <typename Field, typename Element>
absl::Status ReadField(const Field& field, int64_t count, std::vector<Element>& out) {
  if (field.size() != count) {
    return InvalidArgument("holds ", field.size(), " values where its shape needs ", count, "; the file is damaged");
  }
  out.assign(field.begin(), field.end());
  return absl::OkStatus();
}

absl::Status ReadHalf(const onnx::TensorProto& proto, int64_t count, std::vector<float>& out) {
  std::vector<int64_t> halves;
  if (proto.has_raw_data()) {
    MSQ_RETURN_IF_ERROR(ReadRaw<uint16_t>(proto.raw_data(), count, halves));
  } else {
    MSQ_RETURN_IF_ERROR(ReadField(proto.int32_data(), count, halves));
  }
  out.resize(count);
  for (int64_t i = 0; i < count; ++i) out[i] = HalfToFloat(static_cast<uint16_t>(halves[i]));
  return absl::OkStatus();
}

absl::Status ReadElements(const onnx::TensorProto& proto, int64_t count, HostTensor& out) {
  const bool raw = proto.has_raw_data();
  const std::string& bytes = proto.raw_data();
  switch (proto.data_type()) {
    case onnx::TensorProto::FLOAT:
      return raw ? ReadRaw<float>(bytes, count, out.floats) : ReadField(proto.float_data(), count, out.floats);
    case onnx::TensorProto::DOUBLE:
      return raw ? ReadRaw<double>(bytes, count, out.floats) : ReadField(proto.double_data(), count, out.floats);
    case onnx::TensorProto::FLOAT16:
      return ReadHalf(proto, count, out.floats);
    case onnx::TensorProto::INT64:
      return raw ? ReadRaw<int64_t>(bytes, count, out.ints) : ReadField(proto.int64_data(), count, out.ints);
    case onnx::TensorProto::INT32:
      return raw ? ReadRaw<int32_t>(bytes, count, out.ints) : ReadField(proto.int32_data(), count, out.ints);
    case onnx::TensorProto::UINT8:
      return raw ? ReadRaw<uint8_t>(bytes, count, out.ints) : ReadField(proto.int32_data(), count, out.ints);
    case onnx::TensorProto::INT8:
    case onnx::TensorProto::BOOL:
      return raw ? ReadRaw<int8_t>(bytes, count, out.ints) : ReadField(proto.int32_data(), count, out.ints);
    default:
      return InvalidArgument("has element type ", proto.data_type(),
                             ", which is not read; export with float32 weights");
  }
}

}  // namespace

absl::StatusOr<HostTensor> DecodeTensor(const onnx::TensorProto& proto) {
  const std::string label = absl::StrCat("tensor '", proto.name(), "'");
  if (proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() > 0) {
    return InvalidArgument(label,
                           " keeps its data in another file; save the model as one file "
                           "(onnx.save_model(model, path, save_as_external_data=False))");
  }
  if (proto.has_segment()) return InvalidArgument(label, " is split into segments, which are not read");
  auto count = CountElements(proto);
  if (!count.ok()) return InvalidArgument(label, " ", count.status().message());
  HostTensor tensor;
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  tensor.is_float = proto.data_type() == onnx::TensorProto::FLOAT || proto.data_type() == onnx::TensorProto::DOUBLE ||
                    proto.data_type() == onnx::TensorProto::FLOAT16;
  if (absl::Status status = ReadElements(proto, *count, tensor); !status.ok()) {
    return InvalidArgument(label, " ", status.message());
  }
  return tensor;
}

}  // namespace msq::quantizer
