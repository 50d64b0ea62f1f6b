// Operators that compute some rows of their output from some rows of their inputs: all rows at once, or strip by strip.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/conv_lowering.h"
#include "backends/fpga/lowering/image_layout.h"
#include "backends/fpga/lowering/program.h"
#include "backends/fpga/lowering/program_builder.h"
#include "model/ir/op.h"

namespace msq::fpga {

// Weights are packed once, when it is made.
class RowOperator {
 public:
  RowOperator() = default;
  RowOperator(const RowOperator&) = delete;
  RowOperator& operator=(const RowOperator&) = delete;
  virtual ~RowOperator() = default;

  // Appends instructions for rows y0..y1-1 of the output. `in` and `out` hold at least the rows that takes.
  virtual absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) = 0;
  // Adds what was emitted so far.
  virtual void AddTo(LayerRecord* record) const = 0;
};

// A convolution of the first operand; a second one is its residual.
std::unique_ptr<RowOperator> MakeConvRows(const ConvJob& job, const ImageLayout& in, const ImageLayout& out,
                                          ProgramBuilder* builder);

// An average over the taps inside the image, which has `in_height` rows as a whole. `job` is that of a sum, with the
// window's padding, but without constants.
std::unique_ptr<RowOperator> MakeAverageRows(const ir::AveragePool& op, const ConvJob& job, int64_t in_height,
                                             const ImageLayout& out, ProgramBuilder* builder);

// `in_height` is the whole input's.
std::unique_ptr<RowOperator> MakeMaxPoolRows(const ir::Window& window, int64_t in_height, ProgramBuilder* builder);

std::unique_ptr<RowOperator> MakeResizeRows(const std::array<int64_t, 2>& factors, ProgramBuilder* builder);

// Operands are channels of the output from these groups of 16 on. Those that are there already are left alone.
std::unique_ptr<RowOperator> MakeConcatChannelRows(std::vector<int64_t> first_groups, ProgramBuilder* builder);

// Operands lie below each other or side by side. Those whose channels are in another order than the output's are put in
// its order on the way.
struct PixelOperand {
  int64_t height = 0, width = 0;       // as a whole
  std::unique_ptr<RowOperator> order;  // a 1x1 convolution, or null
};
std::unique_ptr<RowOperator> MakeConcatPixelRows(bool below, std::vector<PixelOperand> operands,
                                                 ProgramBuilder* builder);

}  // namespace msq::fpga
