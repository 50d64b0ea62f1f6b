#include "server/models/tensor_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "model/numerics/edge.h"

namespace msq::server {
namespace {

float LoadFloat(const char* bytes, int64_t index) {
  float value;
  std::memcpy(&value, bytes + index * 4, 4);
  return value;
}

// out[i] = table[in[i * stride]]. Eight codes leave in one store: byte by byte, stores are what the loop waits for.
void LookUp(const uint8_t* in, int64_t stride, const uint8_t* table, int64_t count, uint8_t* out) {
  static_assert(std::endian::native == std::endian::little);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t codes = 0;
    for (int k = 0; k < 8; ++k) codes |= uint64_t{table[in[(i + k) * stride]]} << (8 * k);
    std::memcpy(out + i, &codes, 8);
  }
  for (; i < count; ++i) out[i] = table[in[i * stride]];
}

}  // namespace

InputCodec::InputCodec(const ir::TensorType& type, const ir::InputDescription& description)
    : scale_(type.scale),
      zero_point_(type.zero_point),
      bits_(type.bits),
      value_range_(description.is_image() ? description.value_range : 1.0f) {
  const bool interleaved = description.layout == ir::InputDescription::Layout::kNhwc;
  planes_ = interleaved || description.is_image() ? type.shape[0] : 1;
  plane_size_ = ir::ElementCount(type.shape) / planes_;
  pixel_stride_ = interleaved ? planes_ : 1;
  plane_stride_ = interleaved ? 1 : plane_size_;
  channels_.resize(static_cast<size_t>(planes_));
  for (size_t c = 0; c < channels_.size(); ++c) {
    Channel& channel = channels_[c];
    if (description.is_image()) {
      channel.mean = description.mean[c];
      channel.stddev = description.stddev[c];
    }
    std::array<float, 256> bytes;
    std::iota(bytes.begin(), bytes.end(), 0.0f);
    EncodePlane(bytes.data(), 256, value_range_, channel, channel.table);
  }
  std::array<uint8_t, 256> same;
  std::iota(same.begin(), same.end(), uint8_t{0});
  identity_ = pixel_stride_ == 1 && std::all_of(channels_.begin(), channels_.end(), [&](const Channel& channel) {
                return std::equal(same.begin(), same.end(), channel.table);
              });
}

// numerics::QuantizeReal without its call of floor: the sum is clamped first, so that truncation to int is exact.
void InputCodec::EncodePlane(const float* values, int64_t count, float range, const Channel& channel,
                             uint8_t* codes) const {
  const float low = static_cast<float>(-zero_point_);
  const float high = static_cast<float>(numerics::MaxCode(bits_) - zero_point_);
  const float mean = channel.mean, stddev = channel.stddev, scale = scale_;
  const int zero_point = zero_point_;
  for (int64_t i = 0; i < count; ++i) {
    const float real = (values[i] / range - mean) / stddev;
    const float steps = real / scale + 0.5f;
    const float number = steps == steps ? steps : 0.0f;  // NaN becomes zero_point
    const float clamped = number < low ? low : number > high ? high : number;
    const int truncated = static_cast<int>(clamped);
    const int floored = truncated - (static_cast<float>(truncated) > clamped ? 1 : 0);
    codes[i] = static_cast<uint8_t>(floored + zero_point);
  }
}

void InputCodec::EncodeUint8(std::string_view values, std::span<uint8_t> codes) const {
  if (identity_) {
    std::memcpy(codes.data(), values.data(), codes.size());
    return;
  }
  const auto* wire = reinterpret_cast<const uint8_t*>(values.data());
  const int64_t sample = planes_ * plane_size_;
  for (int64_t start = 0; start < static_cast<int64_t>(codes.size()); start += sample) {
    for (int64_t c = 0; c < planes_; ++c) {
      LookUp(wire + start + c * plane_stride_, pixel_stride_, channels_[static_cast<size_t>(c)].table, plane_size_,
             codes.data() + start + c * plane_size_);
    }
  }
}

void InputCodec::EncodeFloat(std::string_view values, bool normalized, std::span<uint8_t> codes) const {
  static constexpr int64_t kBlock = 512;  // a plane's values side by side, so that EncodePlane runs on vectors
  std::array<float, kBlock> block;
  const Channel plain{};
  const float range = normalized ? 1.0f : value_range_;
  const int64_t sample = planes_ * plane_size_;
  for (int64_t start = 0; start < static_cast<int64_t>(codes.size()); start += sample) {
    for (int64_t c = 0; c < planes_; ++c) {
      const Channel& channel = normalized ? plain : channels_[static_cast<size_t>(c)];
      const int64_t in = start + c * plane_stride_;
      uint8_t* out = codes.data() + start + c * plane_size_;
      for (int64_t done = 0; done < plane_size_; done += kBlock) {
        const int64_t count = std::min(kBlock, plane_size_ - done);
        for (int64_t i = 0; i < count; ++i) block[i] = LoadFloat(values.data(), in + (done + i) * pixel_stride_);
        EncodePlane(block.data(), count, range, channel, out + done);
      }
    }
  }
}

void DecodeToFloat(const ir::TensorType& type, std::span<const std::byte> integers, int64_t batch,
                   std::span<std::byte> values) {
  const int64_t sample = ir::ElementCount(type.shape);
  std::byte* out = values.data();
  if (type.kind == ir::TensorType::Kind::kCode) {
    std::array<float, 256> table;
    for (int code = 0; code < 256; ++code) {
      table[code] = numerics::DequantizeCode(static_cast<uint8_t>(code), type.scale, type.zero_point);
    }
    for (int64_t i = 0; i < batch * sample; ++i) {
      std::memcpy(out + i * 4, &table[std::to_integer<uint8_t>(integers[i])], 4);
    }
    return;
  }
  const int64_t row_size = sample / type.shape[0];
  for (int64_t i = 0; i < batch * sample; i += row_size) {
    const float scale = type.row_scales[static_cast<size_t>(i % sample / row_size)];
    for (int64_t j = i; j < i + row_size; ++j) {
      int32_t accumulator;
      std::memcpy(&accumulator, integers.data() + j * 4, 4);
      const float value = numerics::DequantizeAccumulator(accumulator, scale);
      std::memcpy(out + j * 4, &value, 4);
    }
  }
}

}  // namespace msq::server
