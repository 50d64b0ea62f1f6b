#include "backends/cpu/gemm_step.h"

#include <algorithm>

#include "backends/cpu/epilogue.h"
#include "backends/cpu/packed_weights.h"
#include "model/numerics/requantize.h"

namespace msq::cpu {
namespace {

// Patches of one tile: small enough to stay in the second-level cache beside the weights of two column blocks.
constexpr int64_t kPatchBytes = 96 << 10;
// A patch is written in chunks that may run past its end into bytes that are written later.
constexpr int64_t kChunk = 16;

// Copies `count` bytes and up to kChunk - 1 of whatever follows them.
uint8_t* CopyChunks(uint8_t* out, const uint8_t* in, int64_t count) {
  for (int64_t i = 0; i < count; i += kChunk) __builtin_memcpy(out + i, in + i, kChunk);
  return out + count;
}

uint8_t* FillChunks(uint8_t* out, uint8_t value, int64_t count) {
  for (int64_t i = 0; i < count; i += kChunk) __builtin_memset(out + i, value, kChunk);
  return out + count;
}

class GemmStep final : public Step {
 public:
  GemmStep(const KernelTable& kernels, const WeightedOperands& operands, const ir::Weights& weights,
           const ir::Epilogue& epilogue)
      : kernels_(kernels),
        operands_(operands),
        max_code_(numerics::MaxCode(operands.input_bits)),
        weights_(PackWeights(weights, operands.groups, operands.geometry.taps(), max_code_)),
        epilogue_(epilogue, operands.groups, numerics::MaxCode(operands.output_bits)),
        gemm_(weights_.wide ? kernels.gemm_wide : kernels.gemm),
        group_channels_(operands.geometry.in.channels / operands.groups),
        patch_bytes_(PatchBytes(weights.row_length)),
        max_tile_(MaxTile()) {}

  void Run(const Frame& frame) const override {
    const int64_t rows = frame.batch * operands_.geometry.out.pixels();
    const int64_t threads = frame.pool->threads();
    int64_t tile = std::min(max_tile_, rows);
    while (threads > 1 && tile > kernels_.gemm_rows && rows < 3 * threads * tile) tile -= kernels_.gemm_rows;
    const int64_t tiles = (rows + tile - 1) / tile;
    // Few rows, as in a Dense layer: share out the columns too.
    const int64_t steps = (weights_.blocks_per_group + kernels_.gemm_blocks - 1) / kernels_.gemm_blocks;
    const int64_t wanted = threads > 1 ? (2 * threads + tiles - 1) / tiles : 1;
    const int64_t shares = std::min(steps, wanted);
    frame.ForEach(operands_.groups * tiles * shares, [&](int64_t job, uint8_t* scratch) {
      const int64_t share = job % shares, row = job / shares % tiles * tile;
      const int64_t begin = steps * share / shares, end = steps * (share + 1) / shares;
      RunTile(frame,
              {.group = job / shares / tiles,
               .row = row,
               .row_count = std::min(tile, rows - row),
               .block = begin * kernels_.gemm_blocks,
               .block_end = std::min(end * kernels_.gemm_blocks, weights_.blocks_per_group)},
              scratch);
    });
  }

  int64_t scratch_bytes() const override { return max_tile_ * patch_bytes_ + kReadSlack; }
  int64_t weight_bytes() const override { return static_cast<int64_t>(weights_.data.size()); }

 private:
  struct Tile {
    int64_t group;
    int64_t row;
    int64_t row_count;
    int64_t block;
    int64_t block_end;
  };
  struct Rows {
    const uint8_t* data;
    int64_t stride;
  };

  // Whole cache lines, and not a multiple of 4 KiB, whose lines would all fall into the same cache sets.
  static int64_t PatchBytes(int64_t row_length) {
    const int64_t bytes = RoundUp(row_length + kChunk, 64);
    return bytes % 4096 == 0 ? bytes + 64 : bytes;
  }

  int64_t MaxTile() const {
    const int64_t rows = kernels_.gemm_rows;
    const int64_t whole = std::clamp<int64_t>(kPatchBytes / (rows * patch_bytes_), 1, 8) * rows;
    return std::min(whole, std::max<int64_t>(1, (1 << 20) / patch_bytes_));
  }

  bool IsPointwise() const {
    const ir::Window& w = operands_.geometry.window;
    return w.kernel == std::array<int64_t, 2>{1, 1} && w.strides == std::array<int64_t, 2>{1, 1} &&
           w.pads == std::array<int64_t, 4>{0, 0, 0, 0};
  }

  void RunTile(const Frame& frame, const Tile& tile, uint8_t* scratch) const {
    const Rows rows = FindRows(frame, tile, scratch);
    alignas(64) int32_t acc[kMaxGemmRows * kMaxGemmBlocks * kColumnBlock];
    for (int64_t block = tile.block; block < tile.block_end; block += kernels_.gemm_blocks) {
      const int64_t blocks = std::min(kernels_.gemm_blocks, tile.block_end - block);
      for (int64_t row = 0; row < tile.row_count; row += kernels_.gemm_rows) {
        const int64_t count = std::min(kernels_.gemm_rows, tile.row_count - row);
        gemm_({.rows = rows.data + row * rows.stride,
               .row_stride = rows.stride,
               .row_count = count,
               .weights = weights_.block(tile.group, block),
               .block_count = blocks,
               .depth_groups = weights_.depth_groups,
               .acc = acc,
               .max_code = max_code_,
               .max_weight = weights_.max_weight});
        Store(frame, tile.group, block, blocks, tile.row + row, count, acc);
      }
    }
  }

  // The matrix rows of a tile: the input itself where its pixels lie evenly spaced, else patches gathered in `scratch`.
  Rows FindRows(const Frame& frame, const Tile& tile, uint8_t* scratch) const {
    const int64_t pixels = operands_.geometry.out.pixels(), channels = operands_.geometry.in.channels;
    const int64_t sample = tile.row / pixels, pixel = tile.row % pixels;
    if (IsPointwise() && (pixels == 1 || pixel + tile.row_count <= pixels)) {
      const uint8_t* first = frame.Sample(operands_.input, sample) + pixel * channels + tile.group * group_channels_;
      return {first, pixels == 1 ? operands_.input.bytes : channels};
    }
    GatherTile(frame, tile, scratch);
    return {scratch, patch_bytes_};
  }

  // Steps from pixel to pixel: two divisions a pixel would cost as much as the copying.
  void GatherTile(const Frame& frame, const Tile& tile, uint8_t* scratch) const {
    const Image& image = operands_.geometry.out;
    int64_t sample = tile.row / image.pixels();
    int64_t y = tile.row % image.pixels() / image.width, x = tile.row % image.width;
    for (int64_t row = 0; row < tile.row_count; ++row) {
      Gather(frame.Sample(operands_.input, sample) + tile.group * group_channels_, y, x, scratch + row * patch_bytes_);
      if (++x < image.width) continue;
      x = 0;
      if (++y < image.height) continue;
      y = 0;
      ++sample;
    }
  }

  // Kernel rows of an ungrouped, undilated window are runs of neighbouring bytes.
  void Gather(const uint8_t* image, int64_t y, int64_t x, uint8_t* out) const {
    const Geometry& g = operands_.geometry;
    const int64_t kernel_width = g.window.kernel[1];
    const bool runs = g.window.dilations[1] == 1 && operands_.groups == 1;
    const int64_t left = g.InputX(x, 0);
    const int64_t begin = std::clamp<int64_t>(-left, 0, kernel_width);
    const int64_t end = std::clamp<int64_t>(g.in.width - left, begin, kernel_width);
    for (int64_t ky = 0; ky < g.window.kernel[0]; ++ky) {
      const int64_t input_y = g.InputY(y, ky);
      if (input_y < 0 || input_y >= g.in.height) {
        out = FillChunks(out, operands_.zero_point, kernel_width * group_channels_);
      } else if (runs) {
        const uint8_t* row = image + (input_y * g.in.width + left) * g.in.channels;
        out = FillChunks(out, operands_.zero_point, begin * g.in.channels);
        out = CopyChunks(out, row + begin * g.in.channels, (end - begin) * g.in.channels);
        out = FillChunks(out, operands_.zero_point, (kernel_width - end) * g.in.channels);
      } else {
        out = GatherTaps(image + input_y * g.in.width * g.in.channels, x, out);
      }
    }
  }

  uint8_t* GatherTaps(const uint8_t* row, int64_t x, uint8_t* out) const {
    const Geometry& g = operands_.geometry;
    for (int64_t kx = 0; kx < g.window.kernel[1]; ++kx) {
      const int64_t input_x = g.InputX(x, kx);
      out = input_x < 0 || input_x >= g.in.width ? FillChunks(out, operands_.zero_point, group_channels_)
                                                 : CopyChunks(out, row + input_x * g.in.channels, group_channels_);
    }
    return out;
  }

  // A run of rows may cross samples, whose outputs do not touch.
  void Store(const Frame& frame, int64_t group, int64_t block, int64_t blocks, int64_t row, int64_t count,
             const int32_t* acc) const {
    const int64_t pixels = operands_.geometry.out.pixels(), channels = operands_.geometry.out.channels;
    const int64_t column = block * kColumnBlock, acc_stride = blocks * kColumnBlock;
    for (int64_t done = 0; done < count;) {
      const int64_t sample = (row + done) / pixels, pixel = (row + done) % pixels;
      const int64_t run = std::min(count - done, pixels - pixel);
      const int64_t offset = pixel * channels + group * weights_.rows_per_group + column;
      epilogue_.Store(kernels_, {.acc = acc + done * acc_stride,
                                 .acc_stride = acc_stride,
                                 .row_count = run,
                                 .columns = std::min(acc_stride, weights_.rows_per_group - column),
                                 .group = group,
                                 .block = block,
                                 .skip = frame.Sample(operands_.skip, sample) + offset,
                                 .out = frame.Sample(operands_.output, sample) + offset * epilogue_.element_bytes(),
                                 .stride = channels});
      done += run;
    }
  }

  const KernelTable& kernels_;
  const WeightedOperands operands_;
  const int64_t max_code_;
  const PackedWeights weights_;
  const PackedEpilogue epilogue_;
  void (*const gemm_)(const GemmParams&) noexcept;
  const int64_t group_channels_;
  const int64_t patch_bytes_;
  const int64_t max_tile_;
};

}  // namespace

std::unique_ptr<Step> MakeGemm(const KernelTable& kernels, const WeightedOperands& operands, const ir::Weights& weights,
                               const ir::Epilogue& epilogue) {
  return std::make_unique<GemmStep>(kernels, operands, weights, epilogue);
}

}  // namespace msq::cpu
