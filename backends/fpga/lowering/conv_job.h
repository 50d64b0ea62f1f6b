// A convolution as the CONV instruction sees it: integer weights by input slot, constants by output channel. Whatever the
// array computes, from a dense layer to an average, is first written as one of these.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "backends/fpga/lowering/image_layout.h"
#include "backends/fpga/lowering/program.h"
#include "model/ir/op.h"

namespace msq::fpga {

// The constants of one output channel; names as in docs/numerics.md.
struct RowConstants {
  int64_t m = 0, b = 0, n = 0;
  int s = 0;
  int64_t t = 0, m_below = 0, b_below = 0;  // leaky
};

inline constexpr int64_t kMaxStride = 7;  // of CONV's fields

struct TapWeights {
  int64_t rows = 0;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t slots = 0;           // of a tap; a multiple of 16
  std::vector<int8_t> values;  // [row][ky][kx][slot]

  TapWeights(int64_t rows, int64_t kernel_h, int64_t kernel_w, int64_t slots)
      : rows(rows),
        kernel_h(kernel_h),
        kernel_w(kernel_w),
        slots(slots),
        values(static_cast<size_t>(rows * kernel_h * kernel_w * slots)) {}
  size_t Index(int64_t row, int64_t ky, int64_t kx, int64_t slot) const {
    return static_cast<size_t>(((row * kernel_h + ky) * kernel_w + kx) * slots + slot);
  }
  int64_t row_length() const { return kernel_h * kernel_w * slots; }
  int64_t groups() const { return slots / kWordChannels; }
  int64_t steps() const { return kernel_h * kernel_w * groups(); }
};

struct ConvJob {
  TapWeights weights;
  bool by_tile =
      false;           // a tile of outputs reads the input slots of the same numbers only, and slot 0 is its first one
  int64_t pixels = 1;  // of a row that a tile computes; more than 1 with 16 slots, and a tile has as many channels then
  std::array<int64_t, 2> strides = {1, 1}, dilations = {1, 1};
  int64_t pad_top = 0, pad_left = 0;  // may be negative: rows and columns left out
  int64_t out_height = 1, out_width = 1;
  int pad_code = 0;
  std::vector<RowConstants> rows = {};  // [weights.rows]
  bool leaky = false;
};

// Whether a job of so many rows, taps and input slots is one for the accelerator. UNIMPLEMENTED with the limit that it
// exceeds: of a field, or of the memory that its weights may take here.
absl::Status CheckJobSize(int64_t rows, int64_t kernel_h, int64_t kernel_w, int64_t slots);

// One entry for each row, or entry 0 for all.
std::vector<RowConstants> ConstantsOf(const ir::Epilogue& epilogue, int64_t rows);
std::vector<RowConstants> ConstantsOf(const ir::Requantizer& requantizer, int64_t rows);
// The constants of `entry` for all rows.
std::vector<RowConstants> ConstantsOfEntry(const ir::Requantizer& requantizer, size_t entry, int64_t rows);
// Leaves codes as they are.
std::vector<RowConstants> IdentityConstants(int64_t rows);
bool IsLeaky(const ir::Epilogue& epilogue);

// Every row reads all channels of its group.
ConvJob DenseConvJob(const ir::Conv& op, const ImageLayout& in);
// One whole image times one row each; `weights` count its elements in the graph's order.
ConvJob DenseJob(const ir::Dense& op, const ImageLayout& in);
// A convolution of an input that the host packs.
ConvJob PackedConvJob(const ir::Conv& op, const TapPacking& taps, const ImageLayout& in);

// What each output channel reads: one channel, with weights [ky][kx].
struct ChannelTaps {
  std::array<int64_t, 2> kernel = {1, 1};
  std::vector<int64_t> sources;  // [rows], -1 for none
  std::vector<int8_t> values;    // [rows][ky][kx]
};
// Row r reads channel r with weights 1.
ChannelTaps OwnChannel(int64_t channels, std::array<int64_t, 2> kernel);
// `tile` slots a tile; 0 if the input cannot be read tile by tile.
ConvJob ChannelwiseJob(const ChannelTaps& taps, const ImageLayout& in, const std::vector<int64_t>& out_slots,
                       int64_t tile);

}  // namespace msq::fpga
