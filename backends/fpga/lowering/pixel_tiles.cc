#include "backends/fpga/lowering/pixel_tiles.h"

#include <algorithm>

namespace msq::fpga {
namespace {

constexpr int64_t kMaxColumns = 31;    // of the field
constexpr int64_t kMaxDigits = 4;      // of a weight
constexpr int64_t kParameterRows = 2;  // or 4

// Cycles that the words of one tap take for all pixels: those of a group of P that lie in one bank come one by one.
int64_t TapCycles(const ChannelwiseTile& tile, const ir::Window& window, const ChannelwiseShape& shape,
                  const hw::Configuration& configuration) {
  const int64_t columns = shape.width / tile.pixels, count = shape.rows * columns;
  int64_t cycles = 0;
  for (int64_t first = 0; first < count; first += configuration.p) {
    std::vector<int64_t> in_bank(static_cast<size_t>(configuration.banks));
    for (int64_t i = first; i < std::min(first + configuration.p, count); ++i) {
      const int64_t word =
          i / columns * window.strides[0] * shape.in_width + i % columns * window.strides[1] * tile.pixels;
      ++in_bank[static_cast<size_t>(word % configuration.banks)];
    }
    cycles += *std::max_element(in_bank.begin(), in_bank.end());
  }
  return cycles;
}

// Steps, read-out and weights run side by side: the longest of them counts.
double Cycles(const ChannelwiseTile& tile, const ir::Window& window, const ChannelwiseShape& shape,
              const hw::Configuration& configuration) {
  const int64_t lanes = configuration.lanes(), pixels = shape.rows * shape.width / tile.pixels;
  const int64_t steps = TapCycles(tile, window, shape, configuration) * tile.steps;
  const int64_t drain = pixels * (lanes / configuration.q);
  const int64_t beats = ChannelwiseBeats(tile, configuration);
  return static_cast<double>(CeilDiv(shape.channels, tile.channels)) *
         std::max(static_cast<double>(shape.passes * std::max(steps, drain)),
                  static_cast<double>(beats) / kDramEfficiency);
}

// Several pixels in a tile: all rows must have whole numbers of them, since outputs lie a fixed distance apart.
bool CanTakePixels(const ir::Window& window, const ChannelwiseTile& tile, int64_t width,
                   const hw::Configuration& configuration) {
  return tile.pixels > 1 && configuration.lane_period() == kWordChannels && width % tile.pixels == 0 &&
         window.dilations[1] == 1 && window.strides[1] * tile.pixels <= kMaxStride &&
         tile.steps / window.kernel[0] <= kMaxColumns && kMaxDigits * tile.steps <= configuration.wdepth;
}

}  // namespace

int64_t ChannelwiseBeats(const ChannelwiseTile& tile, const hw::Configuration& configuration) {
  const int64_t lanes = configuration.lanes() / configuration.ports;
  const bool diagonal = lanes % kWordChannels == 0;
  return kParameterRows * lanes + tile.steps * (diagonal ? lanes / kWordChannels : lanes);
}

ChannelwiseTile ChooseChannelwiseTile(const ir::Window& window, const ChannelwiseShape& shape,
                                      const hw::Configuration& configuration) {
  const int64_t lanes = configuration.lanes(), groups = CeilDiv(lanes, kWordChannels);
  const auto [kernel_h, kernel_w] = window.kernel;
  const ChannelwiseTile by_channels = {1, lanes, kernel_h * kernel_w * groups};
  const ChannelwiseTile by_pixels = {groups, kWordChannels, kernel_h * (kernel_w + (groups - 1) * window.strides[1])};
  if (!CanTakePixels(window, by_pixels, shape.width, configuration)) return by_channels;
  const auto cycles = [&](const ChannelwiseTile& tile) { return Cycles(tile, window, shape, configuration); };
  return cycles(by_pixels) < cycles(by_channels) ? by_pixels : by_channels;
}

ConvJob SpreadOverPixels(const ConvJob& job) {
  const TapWeights& from = job.weights;
  const int64_t stride = job.strides[1];
  TapWeights weights(job.pixels * from.rows, from.kernel_h, from.kernel_w + (job.pixels - 1) * stride, from.slots);
  for (int64_t row = 0; row < weights.rows; ++row) {
    const int64_t pixel = row / from.rows;
    for (int64_t ky = 0; ky < from.kernel_h; ++ky) {
      const auto first = from.values.begin() + static_cast<int64_t>(from.Index(row % from.rows, ky, 0, 0));
      std::copy(first, first + from.kernel_w * from.slots,
                weights.values.begin() + static_cast<int64_t>(weights.Index(row, ky, pixel * stride, 0)));
    }
  }
  ConvJob spread = job;
  spread.weights = std::move(weights);
  spread.strides[1] = job.pixels * stride;
  for (int64_t pixel = 1; pixel < job.pixels; ++pixel) {
    spread.rows.insert(spread.rows.end(), job.rows.begin(), job.rows.end());
  }
  return spread;
}

std::vector<int64_t> SpreadSlots(std::span<const int64_t> slots, int64_t pixels) {
  std::vector<int64_t> spread;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (const int64_t slot : slots) {
      spread.push_back((slot / kWordChannels * pixels + pixel) * kWordChannels + slot % kWordChannels);
    }
  }
  return spread;
}

}  // namespace msq::fpga
