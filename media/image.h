// Pictures from files: PNG and JPEG to 8-bit pixels, and the one way in which the project fits a picture to a network.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::media {

// Row-major, interleaved: pixels[(y * width + x) * channels + c], RGB when channels is 3, luma when 1.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<uint8_t> pixels;
};

// `channels` is 1 or 3: colour is converted to luma or the other way round; alpha is blended onto black.
// INVALID_ARGUMENT says what is wrong with the bytes; a damaged JPEG is refused, not guessed at. Pictures over 64
// megapixels are refused. Never aborts.
absl::StatusOr<Image> DecodeImage(std::string_view bytes, int channels);

// The same from a file: also NOT_FOUND. The message names the file.
absl::StatusOr<Image> ReadImage(const std::string& path, int channels);

// The same picture with 1 or 3 channels: luma is 0.299 R + 0.587 G + 0.114 B, as JPEG has it.
Image WithChannels(Image image, int channels);

// Bilinear with a support that grows when shrinking (antialiased). Precondition: no size is 0.
Image Resize(const Image& image, int width, int height);

// The usual evaluation crop: unchanged when the size is right already; else the picture is scaled so that it covers
// width/0.875 x height/0.875, and its centre is cut out.
Image FitTo(const Image& image, int width, int height);

// PNG bytes of a 1- or 3-channel image.
std::string EncodePng(const Image& image);

}  // namespace msq::media
