// The vector loops of the codec against numerics/edge.h, value by value.
#include "server/models/tensor_codec.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "model/numerics/edge.h"

namespace msq::server {
namespace {

using Layout = ir::InputDescription::Layout;

ir::TensorType CodeType(ir::Shape shape, int bits, float scale, int zero_point) {
  ir::TensorType type;
  type.shape = std::move(shape);
  type.bits = bits;
  type.scale = scale;
  type.zero_point = zero_point;
  return type;
}

ir::InputDescription ImageDescription(Layout layout) {
  ir::InputDescription description;
  description.layout = layout;
  description.value_range = 255;
  description.mean = {0.485f, 0.456f, 0.406f};
  description.stddev = {0.229f, 0.224f, 0.225f};
  return description;
}

std::string Bytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4);
}

uint8_t Expected(float value, const ir::TensorType& type, const ir::InputDescription& description, size_t channel) {
  const float real = (value / description.value_range - description.mean[channel]) / description.stddev[channel];
  return numerics::QuantizeReal(real, type.scale, type.zero_point, type.bits);
}

TEST(InputCodecTest, EqualsTheDefinitionOnEveryKindOfFloat) {
  std::mt19937 random(3);
  for (int bits : {4, 8}) {
    for (int zero_point : {0, 1, numerics::MaxCode(bits) / 2, numerics::MaxCode(bits)}) {
      const ir::TensorType type = CodeType({4096}, bits, 0.037f, zero_point);
      const InputCodec codec(type, {});
      std::vector<float> values(4096);
      for (size_t i = 0; i < values.size(); ++i) {
        const uint32_t pattern = static_cast<uint32_t>(random());
        const float near = type.scale * (static_cast<float>(static_cast<int>(i) - 2048) / 8.0f);
        if (i % 2 == 0) values[i] = near;  // halves and their neighbours
        if (i % 2 == 1) std::memcpy(&values[i], &pattern, 4);
      }
      values[1] = std::numeric_limits<float>::quiet_NaN();
      values[3] = std::numeric_limits<float>::infinity();
      values[5] = -std::numeric_limits<float>::infinity();
      std::vector<uint8_t> codes(values.size());
      codec.EncodeFloat(Bytes(values), false, codes);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(codes[i], numerics::QuantizeReal(values[i], type.scale, zero_point, bits)) << values[i];
      }
    }
  }
}

TEST(InputCodecTest, NormalisesPixelsOfBothTypesAndLayouts) {
  const ir::TensorType type = CodeType({3, 20, 30}, 8, 0.018f, 114);  // planes longer than one block
  std::mt19937 random(5);
  for (Layout layout : {Layout::kAsGraph, Layout::kNhwc}) {
    const ir::InputDescription description = ImageDescription(layout);
    const InputCodec codec(type, description);
    std::string pixels(2 * 3 * 600, '\0');
    std::vector<float> floats;
    for (char& pixel : pixels) {
      pixel = static_cast<char>(random());
      floats.push_back(static_cast<float>(static_cast<uint8_t>(pixel)));
    }
    std::vector<uint8_t> from_bytes(pixels.size()), from_floats(pixels.size());
    codec.EncodeUint8(pixels, from_bytes);
    codec.EncodeFloat(Bytes(floats), false, from_floats);
    EXPECT_EQ(from_bytes, from_floats);
    for (size_t i = 0; i < from_bytes.size(); ++i) {
      const size_t sample = i / 1800, channel = i % 1800 / 600, pixel = i % 600;
      const size_t wire = sample * 1800 + (layout == Layout::kNhwc ? pixel * 3 + channel : channel * 600 + pixel);
      ASSERT_EQ(from_bytes[i], Expected(floats[wire], type, description, channel)) << i;
    }
  }
}

TEST(InputCodecTest, PlanesOfEveryLength) {
  for (int64_t width = 1; width <= 20; ++width) {
    const ir::TensorType type = CodeType({3, 1, width}, 8, 0.018f, 114);
    for (Layout layout : {Layout::kAsGraph, Layout::kNhwc}) {
      const ir::InputDescription description = ImageDescription(layout);
      const InputCodec codec(type, description);
      EXPECT_FALSE(codec.is_identity());
      std::string pixels;
      for (int64_t i = 0; i < 3 * width; ++i) pixels.push_back(static_cast<char>(i * 4));
      std::vector<uint8_t> codes(pixels.size() + 1, 0xaa);
      codec.EncodeUint8(pixels, std::span(codes).first(pixels.size()));
      for (int64_t i = 0; i < 3 * width; ++i) {
        const int64_t channel = i / width, pixel = i % width;
        const int64_t wire = layout == Layout::kNhwc ? pixel * 3 + channel : i;
        ASSERT_EQ(codes[i], Expected(static_cast<float>(wire * 4), type, description, channel)) << width << " " << i;
      }
      EXPECT_EQ(codes.back(), 0xaa);
    }
  }
}

TEST(InputCodecTest, KnowsWhenBytesAreTheCodes) {
  ir::InputDescription image;
  image.mean = {0, 0};
  image.stddev = {1, 1};
  const ir::TensorType type = CodeType({2, 2, 128}, 8, 1.0f, 0);
  const InputCodec plain(type, {}), planar(type, image);
  EXPECT_TRUE(plain.is_identity());
  EXPECT_TRUE(planar.is_identity());
  std::string bytes(512, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  std::vector<uint8_t> codes(512);
  planar.EncodeUint8(bytes, codes);
  EXPECT_EQ(std::string(codes.begin(), codes.end()), bytes);

  image.layout = Layout::kNhwc;
  EXPECT_FALSE(InputCodec(type, image).is_identity());  // another order
  image.layout = Layout::kAsGraph;
  image.mean[1] = 1;
  EXPECT_FALSE(InputCodec(type, image).is_identity());                    // one channel's values differ
  EXPECT_FALSE(InputCodec(CodeType({4}, 8, 1.0f, 1), {}).is_identity());  // shifted
  EXPECT_FALSE(InputCodec(CodeType({4}, 4, 1.0f, 0), {}).is_identity());  // clamped
}

TEST(InputCodecTest, NormalizedFloatsAreRealInputsThatKeepTheLayout) {
  const ir::TensorType type = CodeType({3, 1, 2}, 8, 0.5f, 10);
  const InputCodec codec(type, ImageDescription(Layout::kNhwc));
  std::vector<uint8_t> codes(6);
  codec.EncodeFloat(Bytes({0, 1, 2, 3, 4, 5}), true, codes);
  EXPECT_EQ(codes, (std::vector<uint8_t>{10, 16, 12, 18, 14, 20}));
}

TEST(InputCodecTest, ReadsUnalignedFloats) {
  const InputCodec codec(CodeType({3}, 8, 1.0f, 0), {});
  const std::string bytes = absl::StrCat("x", Bytes({7, 8, 9}));
  std::vector<uint8_t> codes(3);
  codec.EncodeFloat(std::string_view(bytes).substr(1), false, codes);
  EXPECT_EQ(codes, (std::vector<uint8_t>{7, 8, 9}));
}

std::string Decoded(const ir::TensorType& type, std::span<const std::byte> integers, int64_t batch) {
  std::string values(static_cast<size_t>(batch * ir::ElementCount(type.shape)) * 4, '\0');
  DecodeToFloat(type, integers, batch, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(DecodeToFloatTest, CodesAndAccumulators) {
  const ir::TensorType codes = CodeType({2}, 8, 0.25f, 100);
  const std::vector<uint8_t> values = {0, 100, 255, 101};
  EXPECT_EQ(Decoded(codes, std::as_bytes(std::span(values)), 2), Bytes({-25.0f, 0.0f, 38.75f, 0.25f}));

  ir::TensorType raw;
  raw.kind = ir::TensorType::Kind::kAccumulator;
  raw.shape = {2, 1, 2};
  raw.row_scales = {0.5f, 2.0f};
  const std::vector<int32_t> accumulators = {1, -2, 3, -4, 5, 6, 7, 8};
  EXPECT_EQ(Decoded(raw, std::as_bytes(std::span(accumulators)), 2),
            Bytes({0.5f, -1.0f, 6.0f, -8.0f, 2.5f, 3.0f, 14.0f, 16.0f}));
}

}  // namespace
}  // namespace msq::server
