#include "media/image.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace msq::media {
namespace {

constexpr int kFractionBits = 22;  // of a weight; sums stay below 255 * 2^22 + rounding < 2^31

// The input positions that one output position sees, and how much of each.
struct Taps {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

// Taps of outputs [begin, begin + count) when `in` positions become `out`. A triangle as wide as an output position.
std::vector<Taps> MakeTaps(int64_t in, int64_t out, int64_t begin, int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> result(static_cast<size_t>(count));
  std::vector<double> triangle;
  for (int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const int64_t first = std::clamp<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0, in - 1);
    const int64_t last = std::clamp<int64_t>(static_cast<int64_t>(centre + support + 0.5), first + 1, in);
    triangle.clear();
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - centre) / support);
      triangle.push_back(weight);
      sum += weight;
    }
    Taps& taps = result[static_cast<size_t>(i)];
    taps.first = first;
    for (const double weight : triangle) {
      taps.weights.push_back(static_cast<int32_t>(std::lround(weight / sum * (1 << kFractionBits))));
    }
  }
  return result;
}

// Resamples the middle dimension of bytes[outer, length, inner] -> [outer, taps.size(), inner]. Taps count positions
// from `origin`.
std::vector<uint8_t> Resample(const uint8_t* in, int64_t outer, int64_t length, int64_t inner,
                              const std::vector<Taps>& taps, int64_t origin) {
  std::vector<uint8_t> out(static_cast<size_t>(outer * inner) * taps.size());
  std::vector<int32_t> sums(static_cast<size_t>(inner));
  uint8_t* next = out.data();
  for (int64_t o = 0; o < outer; ++o) {
    for (const Taps& tap : taps) {
      std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
      const uint8_t* row = in + (o * length + tap.first - origin) * inner;
      for (const int32_t weight : tap.weights) {
        for (int64_t i = 0; i < inner; ++i) sums[static_cast<size_t>(i)] += weight * row[i];
        row += inner;
      }
      for (const int32_t sum : sums) *next++ = static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
    }
  }
  return out;
}

struct Window {
  int64_t full_width, full_height;  // of the whole scaled picture
  int64_t left, top;                // of the part that is wanted
  int width, height;
};

// The wanted part of the scaled picture. Only that part is computed, so a 1 x 60,000,000 picture costs no more than its
// own size, however large its scaled form would be.
Image ResizeWindow(const Image& image, const Window& window) {
  const std::vector<Taps> columns = MakeTaps(image.width, window.full_width, window.left, window.width);
  const std::vector<Taps> rows = MakeTaps(image.height, window.full_height, window.top, window.height);
  const int64_t first_row = rows.front().first;
  const int64_t row_count = rows.back().first + static_cast<int64_t>(rows.back().weights.size()) - first_row;
  const uint8_t* top = image.pixels.data() + first_row * image.width * image.channels;
  const std::vector<uint8_t> narrow = Resample(top, row_count, image.width, image.channels, columns, 0);
  const int64_t row_bytes = int64_t{1} * window.width * image.channels;
  return {window.width, window.height, image.channels,
          Resample(narrow.data(), 1, row_count, row_bytes, rows, first_row)};
}

}  // namespace

Image Resize(const Image& image, int width, int height) {
  MSQ_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0);
  if (image.width == width && image.height == height) return image;
  return ResizeWindow(image, {width, height, 0, 0, width, height});
}

Image FitTo(const Image& image, int width, int height) {
  MSQ_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0);
  if (image.width == width && image.height == height) return image;
  constexpr double kCrop = 0.875;  // 224 of 256
  const double scale = std::max(std::round(width / kCrop) / image.width, std::round(height / kCrop) / image.height);
  Window window = {std::max<int64_t>(width, std::llround(image.width * scale)),
                   std::max<int64_t>(height, std::llround(image.height * scale)),
                   0,
                   0,
                   width,
                   height};
  window.left = (window.full_width - width) / 2;
  window.top = (window.full_height - height) / 2;
  return ResizeWindow(image, window);
}

}  // namespace msq::media
