#include "backends/fpga/lowering/conv_job.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/status.h"
#include "model/numerics/requantize.h"

namespace msq::fpga {
namespace {

RowConstants Entry(const ir::Requantizer& r, size_t i) {
  RowConstants row;
  row.m = r.multipliers[i];
  row.b = r.addends[i];
  row.s = r.shifts[i];
  if (!r.skip_multipliers.empty()) row.n = r.skip_multipliers[i];
  if (!r.leaky) return row;
  row.t = r.leaky->thresholds[i];
  row.m_below = r.leaky->multipliers[i];
  row.b_below = r.leaky->addends[i];
  // Thresholds beyond the accumulator's 24 bits: all values are above or below.
  if (row.t >= numerics::kAccumulatorLimit) {
    row.m = row.m_below;
    row.b = row.b_below;
  }
  row.t = std::clamp(row.t, -numerics::kAccumulatorLimit, numerics::kAccumulatorLimit - 1);
  return row;
}

ConvJob WindowJob(const ir::Window& window, TapWeights weights) {
  ConvJob job{.weights = std::move(weights)};
  job.strides = window.strides;
  job.dilations = window.dilations;
  job.pad_top = window.pads[0];
  job.pad_left = window.pads[1];
  return job;
}

}  // namespace

absl::Status CheckJobSize(int64_t rows, int64_t kernel_h, int64_t kernel_w, int64_t slots) {
  constexpr int64_t kMaxKernel = 31, kMaxGroups = 4095;  // of CONV's fields
  constexpr int64_t kMaxWeights = int64_t{1} << 28;
  if (kernel_h > kMaxKernel || kernel_w > kMaxKernel) {
    return Unimplemented("a window of ", kernel_h, "x", kernel_w, ": CONV has at most ", kMaxKernel, "x", kMaxKernel);
  }
  const int64_t groups = CeilDiv(slots, kWordChannels);
  if (groups > kMaxGroups) {
    return Unimplemented(groups, " words of channels at a tap: CONV has at most ", kMaxGroups);
  }
  if (rows > kMaxWeights / (kernel_h * kernel_w * groups * kWordChannels)) {
    return Unimplemented("zeros between the weights of ", rows, " rows would take more than ", kMaxWeights, " bytes");
  }
  return absl::OkStatus();
}

std::vector<RowConstants> ConstantsOf(const ir::Requantizer& requantizer, int64_t rows) {
  if (requantizer.multipliers.size() == 1) return ConstantsOfEntry(requantizer, 0, rows);
  std::vector<RowConstants> constants;
  for (int64_t row = 0; row < rows; ++row) constants.push_back(Entry(requantizer, static_cast<size_t>(row)));
  return constants;
}

std::vector<RowConstants> ConstantsOf(const ir::Epilogue& epilogue, int64_t rows) {
  if (const auto* requantizer = std::get_if<ir::Requantizer>(&epilogue)) return ConstantsOf(*requantizer, rows);
  std::vector<RowConstants> constants;
  for (int32_t bias : std::get<ir::RawOutput>(epilogue).biases) constants.push_back({.m = 1, .b = bias});
  return constants;
}

std::vector<RowConstants> ConstantsOfEntry(const ir::Requantizer& requantizer, size_t entry, int64_t rows) {
  return std::vector<RowConstants>(static_cast<size_t>(rows), Entry(requantizer, entry));
}

std::vector<RowConstants> IdentityConstants(int64_t rows) {
  return std::vector<RowConstants>(static_cast<size_t>(rows), RowConstants{.m = 1});
}

bool IsLeaky(const ir::Epilogue& epilogue) {
  const auto* requantizer = std::get_if<ir::Requantizer>(&epilogue);
  return requantizer != nullptr && requantizer->leaky.has_value();
}

ConvJob DenseConvJob(const ir::Conv& op, const ImageLayout& in) {
  const auto [kernel_h, kernel_w] = op.window.kernel;
  TapWeights weights(op.weights.rows, kernel_h, kernel_w, in.groups() * kWordChannels);
  const int64_t group_channels = in.channels / op.groups, group_rows = op.weights.rows / op.groups;
  size_t index = 0;
  for (int64_t row = 0; row < op.weights.rows; ++row) {
    for (int64_t c = 0; c < group_channels; ++c) {
      const int64_t slot = in.slots[static_cast<size_t>(row / group_rows * group_channels + c)];
      for (int64_t ky = 0; ky < kernel_h; ++ky) {
        for (int64_t kx = 0; kx < kernel_w; ++kx) {
          weights.values[weights.Index(row, ky, kx, slot)] = op.weights.values[index++];
        }
      }
    }
  }
  return WindowJob(op.window, std::move(weights));
}

ConvJob DenseJob(const ir::Dense& op, const ImageLayout& in) {
  TapWeights weights(op.weights.rows, in.height, in.width, in.groups() * kWordChannels);
  size_t index = 0;
  for (int64_t row = 0; row < op.weights.rows; ++row) {
    for (int64_t slot : in.slots) {
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          weights.values[weights.Index(row, y, x, slot)] = op.weights.values[index++];
        }
      }
    }
  }
  return ConvJob{.weights = std::move(weights)};
}

ConvJob PackedConvJob(const ir::Conv& op, const TapPacking& taps, const ImageLayout& in) {
  const auto [kernel_h, kernel_w] = op.window.kernel;
  TapWeights weights(op.weights.rows, CeilDiv(kernel_h, taps.stride_y), 1, in.groups() * kWordChannels);
  size_t index = 0;
  for (int64_t row = 0; row < op.weights.rows; ++row) {
    for (int64_t c = 0; c < taps.shape[0]; ++c) {
      for (int64_t ky = 0; ky < kernel_h; ++ky) {
        for (int64_t kx = 0; kx < kernel_w; ++kx) {
          const int64_t slot = in.slots[static_cast<size_t>(taps.slot(ky % taps.stride_y, kx, c))];
          weights.values[weights.Index(row, ky / taps.stride_y, 0, slot)] = op.weights.values[index++];
        }
      }
    }
  }
  return ConvJob{.weights = std::move(weights)};
}

ChannelTaps OwnChannel(int64_t channels, std::array<int64_t, 2> kernel) {
  ChannelTaps taps{.kernel = kernel, .sources = {}, .values = {}};
  for (int64_t c = 0; c < channels; ++c) taps.sources.push_back(c);
  taps.values.assign(static_cast<size_t>(channels * kernel[0] * kernel[1]), 1);
  return taps;
}

ConvJob ChannelwiseJob(const ChannelTaps& taps, const ImageLayout& in, const std::vector<int64_t>& out_slots,
                       int64_t tile) {
  const auto slot_of = [&](size_t row) {
    const int64_t source = taps.sources[row];
    return source < 0 ? -1 : in.slots[static_cast<size_t>(source)];
  };
  bool by_tile = tile > 0 && tile < in.groups() * kWordChannels;
  for (size_t row = 0; by_tile && row < out_slots.size(); ++row) {
    by_tile = slot_of(row) < 0 || slot_of(row) / tile == out_slots[row] / tile;
  }
  const int64_t slots = by_tile ? tile : in.groups() * kWordChannels;
  TapWeights weights(std::ssize(out_slots), taps.kernel[0], taps.kernel[1], slots);
  size_t index = 0;
  for (int64_t row = 0; row < weights.rows; ++row) {
    const int64_t slot = slot_of(static_cast<size_t>(row));
    for (int64_t ky = 0; ky < weights.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < weights.kernel_w; ++kx, ++index) {
        if (slot >= 0) weights.values[weights.Index(row, ky, kx, slot % slots)] = taps.values[index];
      }
    }
  }
  ConvJob job{.weights = std::move(weights)};
  job.by_tile = by_tile;
  return job;
}

}  // namespace msq::fpga
