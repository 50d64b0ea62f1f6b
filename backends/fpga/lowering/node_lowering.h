// The instructions of one node. Operators that work row by row are made here too for who computes them in strips.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/graph_lowering.h"
#include "backends/fpga/lowering/row_operator.h"
#include "model/ir/graph.h"

namespace msq::fpga {

std::vector<ImageLayout> LayoutsOf(std::span<const Placed> placed);

class NodeLowering {
 public:
  NodeLowering(const ir::Node& node, GraphLowering* state) : node_(node), state_(*state) {}

  // Leaves the node's output with the state.
  absl::Status Lower();

  // For operators that MayRunInStrips names. How the whole output lies if the whole operands lie as `in`:
  absl::StatusOr<ImageLayout> OutLayout(std::span<const ImageLayout> in) const;
  // The operator, for an output of that layout. `in` are the operands, or their highest strips at the highest place;
  // `rows` of the output are asked for at a time. Sets the record's kind.
  std::unique_ptr<RowOperator> MakeRows(std::span<const Placed> in, const ImageLayout& out, int64_t rows,
                                        LayerRecord* record) const;

 private:
  const ir::TensorType& OutType() const { return state_.Type(node_.output); }
  const ir::TensorType& InType() const { return state_.Type(node_.inputs[0]); }
  LayerRecord NewRecord(std::string_view kind) const;

  // The node at once.
  absl::Status LowerWhole(const ir::Conv& op);
  absl::Status LowerWhole(const ir::Dense& op);
  absl::Status LowerWhole(const ir::GlobalAveragePool& op);
  absl::Status LowerWhole(const ir::Concat& op);
  absl::Status LowerWhole(const ir::Reshape& op);
  absl::Status LowerWhole(const ir::Recurrent& op);
  template <typename RowOp>
  absl::Status LowerWhole(const RowOp&) {
    return LowerAllRows();
  }
  absl::Status LowerAllRows();
  absl::StatusOr<std::vector<Placed>> Operands();
  absl::Status LowerPacked(const ir::Conv& op, const TapPacking& taps);
  absl::Status ConcatChannels();

  // A place for the output, which takes the second operand's if nobody else needs that.
  absl::StatusOr<Placed> TakeOutput(ImageLayout layout, const Placed* skip);
  // The whole job.
  absl::Status EmitJob(const ConvJob& job, const Placed& in, const Placed* skip, ImageLayout layout,
                       LayerRecord record);

  // Slots for the output.
  std::vector<int64_t> ConvSlots(const ir::Conv& op, std::span<const ImageLayout> in) const;
  absl::Status CheckSize(std::span<const ImageLayout> in) const;
  absl::Status CheckPlain(std::span<const ImageLayout> in) const;
  absl::Status CheckResidual(const ImageLayout& skip) const;

  // Jobs without constants. `rows` of the output are asked for at a time.
  ConvJob WindowJob(const ir::Conv& op, const Placed& in, const std::vector<int64_t>& slots, int64_t rows) const;
  // With a window's strides and padding; tiles of several pixels where that is faster.
  ConvJob ChannelwiseWindowJob(const ChannelTaps& taps, const ir::Window& window, const Placed& in,
                               const std::vector<int64_t>& slots, int64_t rows) const;
  // One tap of one channel.
  ConvJob PointJob(const ChannelTaps& taps, const Placed& in, const std::vector<int64_t>& slots) const;
  // Slots of a tile if the words of all tiles that outputs in `slots` have, some beyond the image's last one, may be read.
  int64_t TileOf(const Placed& in, const std::vector<int64_t>& slots) const;

  // The job of an operator that CONV computes; what it is called.
  struct RowJob {
    ConvJob job;
    std::string_view kind;
  };
  RowJob JobOf(const ir::Conv& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  RowJob JobOf(const ir::Add& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  RowJob JobOf(const ir::Rescale& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  RowJob JobOf(const ir::AveragePool& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  RowJob JobOf(const ir::Pad& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  RowJob JobOf(const ir::Slice& op, const Placed& in, const ImageLayout& out, int64_t rows) const;
  std::unique_ptr<RowOperator> MakeConcatRows(const ir::Concat& op, std::span<const Placed> in,
                                              const ImageLayout& out) const;

  const ir::Node& node_;
  GraphLowering& state_;
};

}  // namespace msq::fpga
