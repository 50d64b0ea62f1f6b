#include "backends/fpga/folded_batch.h"

#include <cstring>

namespace msq::fpga {
namespace {

// Byte offset of element `c` of sample `i` in [runs,C,fold].
size_t Place(int64_t i, int64_t c, int64_t channels, int64_t width, int64_t fold) {
  return static_cast<size_t>(((i / fold * channels + c) * fold + i % fold) * width);
}

}  // namespace

std::vector<std::byte> FoldSamples(std::span<const std::byte> samples, int64_t batch, int64_t width, int64_t fold) {
  const int64_t channels = std::ssize(samples) / batch / width, runs = (batch + fold - 1) / fold;
  std::vector<std::byte> folded(static_cast<size_t>(runs * channels * fold * width));
  const std::byte* from = samples.data();
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t c = 0; c < channels; ++c, from += width) {
      std::memcpy(folded.data() + Place(i, c, channels, width, fold), from, static_cast<size_t>(width));
    }
  }
  return folded;
}

void UnfoldSamples(std::span<const std::byte> folded, int64_t batch, int64_t width, int64_t fold,
                   std::span<std::byte> samples) {
  const int64_t channels = std::ssize(samples) / batch / width;
  std::byte* to = samples.data();
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t c = 0; c < channels; ++c, to += width) {
      std::memcpy(to, folded.data() + Place(i, c, channels, width, fold), static_cast<size_t>(width));
    }
  }
}

}  // namespace msq::fpga
