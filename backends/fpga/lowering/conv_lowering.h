// A ConvJob as WEIGHTS and CONV instructions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/fpga/lowering/activation_memory.h"
#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/image_layout.h"
#include "backends/fpga/lowering/program.h"
#include "backends/fpga/lowering/program_builder.h"

namespace msq::fpga {

// A tensor, or a strip of its rows, in the activation memory.
struct Placed {
  ImageLayout layout;  // height: rows that are here
  int64_t base = 0;    // word
  int64_t first_row = 0;
  std::shared_ptr<Region> region;

  int64_t Row(int64_t y) const { return base + (y - first_row) * layout.width * layout.pixel_words(); }
  // The words of rows y0..y1-1 of `groups` word groups from the first on, in all planes.
  std::vector<Range> Rows(int64_t y0, int64_t y1, int64_t groups) const;
};

// Output pixels that one instruction computes: whole rows, or a part of one row.
struct OutputPart {
  int64_t y = 0, rows = 1;
  int64_t x = 0, columns = 1;
};

class ConvLowering {
 public:
  // Packs the job's weights into the builder. `in` and `out` are the layouts that all parts share but for their heights.
  // If a tile computes several pixels, all parts consist of whole tiles and there is no skip.
  ConvLowering(const ConvJob& job, const ImageLayout& in, const ImageLayout& out, ProgramBuilder* builder);

  // Appends instructions for rows y0..y1-1 of the output, or for a block of it.
  absl::Status EmitRows(const Placed& in, const Placed& out, const Placed* skip, int64_t y0, int64_t y1);
  absl::Status EmitBlock(const Placed& in, const Placed& out, const Placed* skip, const OutputPart& block);
  // For a job of one tile and one output pixel, whose window needs no padding and which is the same for every tile of
  // channels: appends one instruction that takes the `tiles` tiles of `in` for pixels. The job's out_width is `tiles`.
  absl::Status EmitTilesAsPixels(const Placed& in, const Placed& out, int64_t tiles);

  // Adds what was emitted so far.
  void AddTo(LayerRecord* record) const;

 private:
  // One instruction.
  absl::Status EmitPart(const Placed& in, const Placed& out, const Placed* skip, const OutputPart& part);
  // `slots`: of the job's rows.
  void Pack(const ConvJob& job, const ImageLayout& in, const ImageLayout& out, const std::vector<int64_t>& slots);
  void SetWindow(const Placed& in, const OutputPart& part, hw::ConvFields* conv) const;
  // Sets where words of outputs lie: from one tile's pixels to the next, and from one word of a pixel to the next.
  void SetOutput(int64_t pixel, int64_t group, const ImageLayout& layout, hw::ConvFields* conv) const;
  // Sets first, stride and dilation of one axis.
  void SetAxis(int64_t first, int64_t outputs, int64_t stride, int64_t taps, int64_t dilation, int64_t length,
               int64_t* first_field, int64_t* stride_field, int64_t* dilation_field) const;

  ProgramBuilder* const builder_;
  int64_t steps_ = 0;  // of a pass
  int64_t pixels_;     // of a tile
  int64_t written_groups_ = 0;
  int64_t kernel_h_ = 0, kernel_w_ = 0, groups_ = 0;
  std::array<int64_t, 2> strides_{};  // from tile to tile of pixels
  std::array<int64_t, 2> dilations_;
  int64_t pad_top_, pad_left_, out_width_;
  bool by_tile_;
  hw::WeightsFields weights_;
  hw::ConvFields conv_;  // what all parts share
  int64_t weight_bytes_ = 0;
  int64_t emitted_steps_ = 0, emitted_cycles_ = 0;
  int64_t emitted_weight_bytes_ = 0;
};

}  // namespace msq::fpga
