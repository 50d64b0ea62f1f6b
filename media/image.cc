#include "media/image.h"

#include <png.h>
#include <turbojpeg.h>

#include <cstring>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "media/file.h"

namespace msq::media {
namespace {

constexpr int64_t kMaxPixels = 64'000'000;
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegSignature = "\xff\xd8";

absl::Status CheckSize(int64_t width, int64_t height) {
  if (width < 1 || height < 1) return InvalidArgument("picture of ", width, "x", height, " pixels");
  if (width * height > kMaxPixels) {
    return InvalidArgument("picture of ", width, "x", height, " pixels; at most ", kMaxPixels, " pixels are read");
  }
  return absl::OkStatus();
}

// Calls combine(a, b, c, d) -> {R,G,B} on each 4-sample pixel.
template <typename Combine>
Image FromFourSamples(int width, int height, const std::vector<uint8_t>& samples, Combine combine) {
  Image image{width, height, 3, {}};
  image.pixels.resize(samples.size() / 4 * 3);
  for (size_t in = 0, out = 0; in < samples.size(); in += 4, out += 3) {
    combine(&samples[in], &image.pixels[out]);
  }
  return image;
}

uint8_t Times(uint8_t value, uint8_t share) {
  return static_cast<uint8_t>((value * share + 127) / 255);
}

absl::StatusOr<Image> DecodePng(std::string_view bytes) {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> cleanup(&png, png_image_free);
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) {
    return InvalidArgument("PNG: ", png.message);
  }
  MSQ_RETURN_IF_ERROR(CheckSize(png.width, png.height));
  const bool has_alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  // libpng would composite and weigh colours in linear light; networks are trained on pictures read without that.
  png.format = has_alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  std::vector<uint8_t> samples(PNG_IMAGE_SIZE(png));
  if (png_image_finish_read(&png, nullptr, samples.data(), 0, nullptr) == 0) {
    return InvalidArgument("PNG: ", png.message);
  }
  const int width = static_cast<int>(png.width), height = static_cast<int>(png.height);
  if (!has_alpha) return Image{width, height, 3, std::move(samples)};
  return FromFourSamples(width, height, samples, [](const uint8_t* rgba, uint8_t* rgb) {
    for (int c = 0; c < 3; ++c) rgb[c] = Times(rgba[c], rgba[3]);
  });
}

absl::StatusOr<Image> DecodeJpeg(std::string_view bytes) {
  const std::unique_ptr<void, int (*)(tjhandle)> jpeg(tjInitDecompress(), tjDestroy);
  if (jpeg == nullptr) return absl::ResourceExhaustedError("JPEG: no memory for a decoder");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg.get(), data, bytes.size(), &width, &height, &subsampling, &colours) != 0) {
    return InvalidArgument("JPEG: ", tjGetErrorStr2(jpeg.get()));
  }
  MSQ_RETURN_IF_ERROR(CheckSize(width, height));
  const bool is_cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
  const int format = is_cmyk ? TJPF_CMYK : TJPF_RGB;
  std::vector<uint8_t> samples(size_t{1} * width * height * tjPixelSize[format]);
  // A damaged or endless (thousands of progressive scans) file stops at once instead of costing a whole picture's time.
  constexpr int kFlags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(jpeg.get(), data, bytes.size(), samples.data(), width, 0, height, format, kFlags) != 0) {
    return InvalidArgument("JPEG: ", tjGetErrorStr2(jpeg.get()));
  }
  if (!is_cmyk) return Image{width, height, 3, std::move(samples)};
  // As Adobe writes it: 255 is no ink.
  return FromFourSamples(width, height, samples, [](const uint8_t* cmyk, uint8_t* rgb) {
    for (int c = 0; c < 3; ++c) rgb[c] = Times(cmyk[c], cmyk[3]);
  });
}

}  // namespace

Image WithChannels(Image image, int channels) {
  MSQ_CHECK(channels == 1 || channels == 3);
  if (image.channels == channels) return image;
  Image result{image.width, image.height, channels, {}};
  const size_t count = size_t{1} * image.width * image.height;
  result.pixels.resize(count * channels);
  for (size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      std::memset(&result.pixels[3 * i], image.pixels[i], 3);
    } else {
      const uint8_t* rgb = &image.pixels[3 * i];
      // 16-bit fractions that sum to 1, so that gray stays as it is.
      result.pixels[i] = static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 32768) >> 16);
    }
  }
  return result;
}

absl::StatusOr<Image> DecodeImage(std::string_view bytes, int channels) {
  if (channels != 1 && channels != 3) return InvalidArgument("a picture has 1 or 3 channels, not ", channels);
  if (bytes.starts_with(kPngSignature)) {
    MSQ_ASSIGN_OR_RETURN(Image image, DecodePng(bytes));
    return WithChannels(std::move(image), channels);
  }
  if (bytes.starts_with(kJpegSignature)) {
    MSQ_ASSIGN_OR_RETURN(Image image, DecodeJpeg(bytes));
    return WithChannels(std::move(image), channels);
  }
  return InvalidArgument("neither PNG nor JPEG");
}

absl::StatusOr<Image> ReadImage(const std::string& path, int channels) {
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, ReadFileBytes(path));
  absl::StatusOr<Image> image = DecodeImage(bytes, channels);
  if (!image.ok()) return WithContext(image.status(), path);
  return image;
}

std::string EncodePng(const Image& image) {
  MSQ_CHECK(image.channels == 1 || image.channels == 3);
  MSQ_CHECK(image.pixels.size() == size_t{1} * image.width * image.height * image.channels);
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string bytes(size, '\0');
  const int written = png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr);
  MSQ_CHECK(written != 0);
  bytes.resize(size);
  return bytes;
}

}  // namespace msq::media
