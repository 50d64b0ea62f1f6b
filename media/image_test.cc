#include "media/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/status.h"

namespace msq::media {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string BigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string Chunk(std::string_view name, std::string_view data) {
  const std::string body = std::string(name) + std::string(data);
  const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return BigEndian(static_cast<uint32_t>(data.size())) + body + BigEndian(static_cast<uint32_t>(crc));
}

// A PNG of any type: `rows` is the raw scan lines, a filter byte before each; `before_data` is PLTE, tRNS and the like.
std::string MakePng(uint32_t width, uint32_t height, char depth, char type, const std::string& rows,
                    const std::string& before_data = "") {
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                     rows.size()),
            Z_OK);
  packed.resize(size);
  const std::string header = BigEndian(width) + BigEndian(height) + depth + type + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + Chunk("IHDR", header) + before_data + Chunk("IDAT", packed) + Chunk("IEND", "");
}

std::string MakeJpeg(const std::vector<uint8_t>& pixels, int width, int height, int format, int subsampling) {
  const tjhandle jpeg = tjInitCompress();
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(jpeg, pixels.data(), width, 0, height, format, &buffer, &size, subsampling, 95, 0), 0);
  const std::string result(reinterpret_cast<const char*>(buffer), size);
  tjFree(buffer);
  tjDestroy(jpeg);
  return result;
}

Image Noise(int width, int height, int channels) {
  std::mt19937 random(7);
  Image image{width, height, channels, std::vector<uint8_t>(size_t{1} * width * height * channels)};
  for (uint8_t& pixel : image.pixels) pixel = static_cast<uint8_t>(random());
  return image;
}

// Decodes as both channel counts; whatever comes back must be whole.
void ExpectErrorOrWholeImage(std::string_view bytes) {
  for (int channels : {1, 3}) {
    const absl::StatusOr<Image> image = DecodeImage(bytes, channels);
    if (!image.ok()) {
      EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_FALSE(Message(image.status()).empty());
      continue;
    }
    EXPECT_EQ(image->channels, channels);
    EXPECT_EQ(image->pixels.size(), size_t{1} * image->width * image->height * channels);
  }
}

std::string ErrorOf(std::string_view bytes) {
  const absl::StatusOr<Image> image = DecodeImage(bytes, 3);
  return image.ok() ? "OK" : std::string(Message(image.status()));
}

TEST(Png, RoundTripsRgbAndGray) {
  for (int channels : {1, 3}) {
    const Image image = Noise(17, 5, channels);
    const absl::StatusOr<Image> back = DecodeImage(EncodePng(image), channels);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->width, 17);
    EXPECT_EQ(back->height, 5);
    EXPECT_EQ(back->pixels, image.pixels);
  }
}

TEST(Png, ConvertsBetweenGrayAndColour) {
  const Image gray{2, 1, 1, {7, 250}};
  EXPECT_THAT(DecodeImage(EncodePng(gray), 3)->pixels, ElementsAre(7, 7, 7, 250, 250, 250));
  const Image colour{4, 1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9}};
  EXPECT_THAT(DecodeImage(EncodePng(colour), 1)->pixels, ElementsAre(76, 150, 29, 9));
}

TEST(Png, ReadsPaletteSixteenBitsAndOneBit) {
  const std::string palette = Chunk("PLTE", std::string("\x01\x02\x03\x10\x20\x30", 6));
  const std::string indexed = MakePng(2, 1, 8, 3, std::string("\x00\x01\x00", 3), palette);
  EXPECT_THAT(DecodeImage(indexed, 3)->pixels, ElementsAre(0x10, 0x20, 0x30, 1, 2, 3));
  const std::string deep = MakePng(2, 1, 16, 0, std::string("\x00\x80\x80\x11\x11", 5));
  EXPECT_THAT(DecodeImage(deep, 1)->pixels, ElementsAre(0x80, 0x11));
  const std::string deep_colour = MakePng(1, 1, 16, 2, std::string("\x00\x80\x80\x11\x11\x7f\x7f", 7));
  EXPECT_THAT(DecodeImage(deep_colour, 3)->pixels, ElementsAre(0x80, 0x11, 0x7f));
  const std::string bits = MakePng(3, 1, 1, 0, std::string("\x00\xa0", 2));
  EXPECT_THAT(DecodeImage(bits, 1)->pixels, ElementsAre(255, 0, 255));
}

TEST(Png, BlendsAlphaOntoBlack) {
  const std::string rgba = MakePng(2, 1, 8, 6, std::string("\x00\xc8\x64\x0a\x80\xff\xff\xff\x00", 9));
  EXPECT_THAT(DecodeImage(rgba, 3)->pixels, ElementsAre(100, 50, 5, 0, 0, 0));
  const std::string gray_alpha = MakePng(1, 1, 8, 4, std::string("\x00\xc8\x80", 3));
  EXPECT_THAT(DecodeImage(gray_alpha, 1)->pixels, ElementsAre(100));
  const std::string transparent = Chunk("PLTE", "\x64\x64\x64") + Chunk("tRNS", std::string("\x00", 1));
  EXPECT_THAT(DecodeImage(MakePng(1, 1, 8, 3, std::string("\0\0", 2), transparent), 1)->pixels, ElementsAre(0));
}

TEST(Png, RefusesAbsurdSizes) {
  EXPECT_THAT(ErrorOf(MakePng(60000, 60000, 8, 2, "")), HasSubstr("60000x60000 pixels; at most"));
  EXPECT_THAT(ErrorOf(MakePng(0x7fffffff, 0x7fffffff, 8, 2, "")), HasSubstr("PNG: "));
  EXPECT_THAT(ErrorOf(MakePng(0, 5, 8, 2, "")), HasSubstr("PNG: "));
  EXPECT_THAT(ErrorOf(MakePng(3000, 3000, 8, 2, "short")), HasSubstr("PNG: "));
}

TEST(Png, SurvivesEveryTruncationAndBitFlip) {
  const std::string png = EncodePng(Noise(4, 3, 3));
  const size_t end_chunk = 12;  // without it the pixels are whole
  for (size_t size = 0; size < png.size(); ++size) {
    ExpectErrorOrWholeImage(std::string_view(png).substr(0, size));
    EXPECT_TRUE(size >= png.size() - end_chunk || !DecodeImage(png.substr(0, size), 3).ok()) << size;
  }
  for (size_t bit = 0; bit < png.size() * 8; ++bit) {
    std::string damaged = png;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ExpectErrorOrWholeImage(damaged);
  }
}

TEST(Jpeg, ReadsColourAndGray) {
  Image flat{16, 8, 3, {}};
  for (int i = 0; i < 16 * 8; ++i) flat.pixels.insert(flat.pixels.end(), {200, 100, 50});
  const absl::StatusOr<Image> colour = DecodeImage(MakeJpeg(flat.pixels, 16, 8, TJPF_RGB, TJSAMP_420), 3);
  ASSERT_TRUE(colour.ok()) << colour.status();
  EXPECT_EQ(colour->width, 16);
  EXPECT_EQ(colour->height, 8);
  for (size_t i = 0; i < flat.pixels.size(); ++i) EXPECT_NEAR(colour->pixels[i], flat.pixels[i], 3);

  const std::string gray = MakeJpeg(std::vector<uint8_t>(64, 90), 8, 8, TJPF_GRAY, TJSAMP_GRAY);
  for (int channels : {1, 3}) {
    const absl::StatusOr<Image> image = DecodeImage(gray, channels);
    ASSERT_TRUE(image.ok()) << image.status();
    for (const uint8_t pixel : image->pixels) EXPECT_NEAR(pixel, 90, 1);
  }
}

TEST(Jpeg, ReadsCmykAsAdobeWritesIt) {
  std::vector<uint8_t> cmyk;
  for (int i = 0; i < 64; ++i) cmyk.insert(cmyk.end(), {255, 128, 0, 128});
  const absl::StatusOr<Image> image = DecodeImage(MakeJpeg(cmyk, 8, 8, TJPF_CMYK, TJSAMP_444), 3);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_NEAR(image->pixels[0], 128, 4);
  EXPECT_NEAR(image->pixels[1], 64, 4);
  EXPECT_NEAR(image->pixels[2], 0, 4);
}

TEST(Jpeg, RefusesEveryTruncationAndSurvivesEveryBitFlip) {
  const std::string jpeg = MakeJpeg(Noise(9, 8, 3).pixels, 9, 8, TJPF_RGB, TJSAMP_420);
  for (size_t size = 0; size < jpeg.size(); ++size) {
    EXPECT_FALSE(DecodeImage(jpeg.substr(0, size), 3).ok()) << size << " of " << jpeg.size();
  }
  for (size_t bit = 0; bit < jpeg.size() * 8; ++bit) {
    std::string damaged = jpeg;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ExpectErrorOrWholeImage(damaged);
  }
}

TEST(Jpeg, RefusesAbsurdSizes) {
  std::string jpeg = MakeJpeg(Noise(8, 8, 3).pixels, 8, 8, TJPF_RGB, TJSAMP_444);
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  EXPECT_THAT(ErrorOf(jpeg), HasSubstr("65280x65280 pixels; at most"));
}

TEST(Image, NamesWhatItCannotRead) {
  EXPECT_EQ(ErrorOf(""), "neither PNG nor JPEG");
  EXPECT_EQ(ErrorOf("GIF89a"), "neither PNG nor JPEG");
  EXPECT_THAT(std::string(Message(DecodeImage("x", 4).status())), HasSubstr("not 4"));
}

TEST(Image, ReadsFilesAndNamesThem) {
  const std::string folder = ::testing::TempDir();
  const absl::StatusOr<Image> missing = ReadImage(folder + "/no such.png", 3);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(missing.status())), HasSubstr("no such.png"));
  EXPECT_THAT(std::string(Message(ReadImage(folder, 3).status())), HasSubstr("not a regular file"));

  const std::string path = folder + "/image_test.png";
  std::ofstream(path, std::ios::binary) << "not a picture";
  EXPECT_THAT(std::string(Message(ReadImage(path, 3).status())), HasSubstr("image_test.png: neither PNG"));
  const Image image = Noise(3, 2, 3);
  std::ofstream(path, std::ios::binary) << EncodePng(image);
  EXPECT_EQ(ReadImage(path, 3)->pixels, image.pixels);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace msq::media
