#include "backends/cpu/window_step.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/epilogue.h"
#include "backends/cpu/packed_weights.h"
#include "base/aligned_buffer.h"
#include "model/numerics/requantize.h"

namespace msq::cpu {
namespace {

constexpr int64_t kTapsPerCall = 64;
constexpr int64_t kMaxTile = 64;                 // output pixels
constexpr int64_t kAccumulatorBytes = 32 << 10;  // of a tile: stays in the first-level cache

// Walks the output in tiles of pixels of one sample, and each window in runs of at most kTapsPerCall taps, which it
// lists as pointers; taps outside the image point at `padding` codes. Subclasses say what happens to the taps.
class WindowStep : public Step {
 public:
  WindowStep(const Geometry& geometry, const Buffer& input, uint8_t padding)
      : geometry_(geometry),
        input_(input),
        padded_(RoundUp(geometry.in.channels, kColumnBlock)),
        tile_(std::clamp<int64_t>(kAccumulatorBytes / (4 * padded_), 1, kMaxTile)),
        outside_(static_cast<size_t>(padded_ + kReadSlack)) {
    std::memset(outside_.as<uint8_t>(), padding, outside_.size());
  }

  void Run(const Frame& frame) const override {
    const int64_t pixels = geometry_.out.pixels(), tiles = (pixels + tile_ - 1) / tile_;
    frame.ForEach(frame.batch * tiles, [&](int64_t job, uint8_t* scratch) {
      const int64_t pixel = job % tiles * tile_;
      RunTile(frame, {job / tiles, pixel, std::min(tile_, pixels - pixel)}, scratch);
    });
  }

  int64_t scratch_bytes() const override { return AccumulatorBytes() + tile_ * kTapsPerCall * 8; }

 protected:
  struct Tile {
    int64_t sample;
    int64_t pixel;
    int64_t pixel_count;
  };

  // `params` has taps, counts, channels and acc set; `tap` is the first of its taps.
  virtual void Begin(const Frame& frame, const Tile& tile, int32_t* acc) const = 0;
  virtual void Accumulate(const Frame& frame, const Tile& tile, int64_t tap, WindowParams params) const = 0;
  virtual void Finish(const Frame& frame, const Tile& tile, const int32_t* acc) const = 0;

  void ClearAccumulators(const Tile& tile, int32_t* acc) const {
    std::fill_n(acc, static_cast<size_t>(tile.pixel_count * padded_), 0);
  }

  const Geometry& geometry() const { return geometry_; }
  int64_t padded() const { return padded_; }

 private:
  int64_t AccumulatorBytes() const { return tile_ * padded_ * 4; }

  void RunTile(const Frame& frame, const Tile& tile, uint8_t* scratch) const {
    auto* acc = reinterpret_cast<int32_t*>(scratch);
    auto* taps = reinterpret_cast<const uint8_t**>(scratch + AccumulatorBytes());
    Begin(frame, tile, acc);
    for (int64_t tap = 0; tap < geometry_.taps(); tap += kTapsPerCall) {
      const int64_t count = std::min(kTapsPerCall, geometry_.taps() - tap);
      ListTaps(frame, tile, tap, count, taps);
      Accumulate(frame, tile, tap,
                 {.taps = taps,
                  .pixel_count = tile.pixel_count,
                  .tap_count = count,
                  .channels = geometry_.in.channels,
                  .weights = nullptr,
                  .acc = acc,
                  .out = nullptr,
                  .out_stride = 0});
    }
    Finish(frame, tile, acc);
  }

  void ListTaps(const Frame& frame, const Tile& tile, int64_t first, int64_t count, const uint8_t** taps) const {
    const Geometry& g = geometry_;
    const uint8_t* image = frame.Sample(input_, tile.sample);
    const int64_t kernel_width = g.window.kernel[1];
    for (int64_t pixel = tile.pixel; pixel < tile.pixel + tile.pixel_count; ++pixel) {
      const int64_t out_y = pixel / g.out.width, out_x = pixel % g.out.width;
      int64_t ky = first / kernel_width, kx = first % kernel_width;
      for (int64_t t = 0; t < count; ++t) {
        const int64_t y = g.InputY(out_y, ky), x = g.InputX(out_x, kx);
        const bool inside = y >= 0 && y < g.in.height && x >= 0 && x < g.in.width;
        *taps++ = inside ? image + (y * g.in.width + x) * g.in.channels : outside_.as<uint8_t>();
        if (++kx == kernel_width) kx = 0, ++ky;
      }
    }
  }

  const Geometry geometry_;
  const Buffer input_;
  const int64_t padded_;  // channels
  const int64_t tile_;
  AlignedBuffer outside_;
};

class DepthwiseStep final : public WindowStep {
 public:
  DepthwiseStep(const KernelTable& kernels, const WeightedOperands& operands, const ir::Weights& weights,
                const ir::Epilogue& epilogue)
      : WindowStep(operands.geometry, operands.input, operands.zero_point),
        kernels_(kernels),
        skip_(operands.skip),
        output_(operands.output),
        weights_(PackDepthwiseWeights(weights)),
        epilogue_(epilogue, 1, numerics::MaxCode(operands.output_bits)) {}
  int64_t weight_bytes() const override { return static_cast<int64_t>(weights_.size()); }

 private:
  void Begin(const Frame&, const Tile& tile, int32_t* acc) const override { ClearAccumulators(tile, acc); }

  void Accumulate(const Frame&, const Tile&, int64_t tap, WindowParams params) const override {
    params.weights = weights_.as<int8_t>() + tap * padded();
    kernels_.depthwise(params);
  }

  void Finish(const Frame& frame, const Tile& tile, const int32_t* acc) const override {
    const int64_t channels = geometry().out.channels, offset = tile.pixel * channels;
    epilogue_.Store(kernels_, {.acc = acc,
                               .acc_stride = padded(),
                               .row_count = tile.pixel_count,
                               .columns = channels,
                               .group = 0,
                               .block = 0,
                               .skip = frame.Sample(skip_, tile.sample) + offset,
                               .out = frame.Sample(output_, tile.sample) + offset * epilogue_.element_bytes(),
                               .stride = channels});
  }

  const KernelTable& kernels_;
  const Buffer skip_, output_;
  const AlignedBuffer weights_;
  const PackedEpilogue epilogue_;
};

// Padding never wins: code 0 is the smallest.
class MaxPoolStep final : public WindowStep {
 public:
  MaxPoolStep(const KernelTable& kernels, const PoolOperands& operands)
      : WindowStep(operands.geometry, operands.input, 0), kernels_(kernels), output_(operands.output) {}

 private:
  uint8_t* Out(const Frame& frame, const Tile& tile) const {
    return frame.Sample(output_, tile.sample) + tile.pixel * geometry().out.channels;
  }

  void Begin(const Frame& frame, const Tile& tile, int32_t*) const override {
    std::memset(Out(frame, tile), 0, static_cast<size_t>(tile.pixel_count * geometry().out.channels));
  }

  void Accumulate(const Frame& frame, const Tile& tile, int64_t, WindowParams params) const override {
    params.out = Out(frame, tile);
    params.out_stride = geometry().out.channels;
    kernels_.window_max(params);
  }

  void Finish(const Frame&, const Tile&, const int32_t*) const override {}

  const KernelTable& kernels_;
  const Buffer output_;
};

class AveragePoolStep final : public WindowStep {
 public:
  AveragePoolStep(const KernelTable& kernels, const PoolOperands& operands, bool count_include_pad,
                  const ir::Requantizer& requantizer)
      : WindowStep(operands.geometry, operands.input, count_include_pad ? operands.zero_point : 0),
        kernels_(kernels),
        output_(operands.output),
        max_code_(numerics::MaxCode(operands.output_bits)),
        count_include_pad_(count_include_pad),
        requantizer_(requantizer) {}

 private:
  void Begin(const Frame&, const Tile& tile, int32_t* acc) const override { ClearAccumulators(tile, acc); }
  void Accumulate(const Frame&, const Tile&, int64_t, WindowParams params) const override {
    kernels_.window_sum(params);
  }

  // Pixels with one entry in common go to the requantizer together.
  void Finish(const Frame& frame, const Tile& tile, const int32_t* acc) const override {
    const int64_t channels = geometry().out.channels;
    for (int64_t done = 0; done < tile.pixel_count;) {
      const int64_t entry = Entry(tile.pixel + done);
      int64_t run = 1;
      while (done + run < tile.pixel_count && Entry(tile.pixel + done + run) == entry) ++run;
      const UniformRequantizer constants(requantizer_, entry);
      kernels_.requantize({.acc = acc + done * padded(),
                           .codes = nullptr,
                           .in_stride = padded(),
                           .row_count = run,
                           .columns = channels,
                           .constants = constants.constants(),
                           .constant_step = 0,
                           .skip = nullptr,
                           .skip_stride = 0,
                           .out = frame.Sample(output_, tile.sample) + (tile.pixel + done) * channels,
                           .out_stride = channels,
                           .max_code = max_code_});
      done += run;
    }
  }

  // Taps inside the image, less one; 0 when padding counts.
  int64_t Entry(int64_t pixel) const {
    if (count_include_pad_) return 0;
    const Geometry& g = geometry();
    const int64_t y = g.InputY(pixel / g.out.width, 0), x = g.InputX(pixel % g.out.width, 0);
    const int64_t rows = std::min(y + g.window.kernel[0], g.in.height) - std::max<int64_t>(y, 0);
    const int64_t columns = std::min(x + g.window.kernel[1], g.in.width) - std::max<int64_t>(x, 0);
    return rows * columns - 1;
  }

  const KernelTable& kernels_;
  const Buffer output_;
  const int64_t max_code_;
  const bool count_include_pad_;
  const ir::Requantizer requantizer_;
};

}  // namespace

std::unique_ptr<Step> MakeDepthwise(const KernelTable& kernels, const WeightedOperands& operands,
                                    const ir::Weights& weights, const ir::Epilogue& epilogue) {
  return std::make_unique<DepthwiseStep>(kernels, operands, weights, epilogue);
}

std::unique_ptr<Step> MakeMaxPool(const KernelTable& kernels, const PoolOperands& operands) {
  return std::make_unique<MaxPoolStep>(kernels, operands);
}

std::unique_ptr<Step> MakeAveragePool(const KernelTable& kernels, const PoolOperands& operands, bool count_include_pad,
                                      const ir::Requantizer& requantizer) {
  return std::make_unique<AveragePoolStep>(kernels, operands, count_include_pad, requantizer);
}

}  // namespace msq::cpu
