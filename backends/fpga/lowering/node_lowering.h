// The instructions of one node: one overload an operator.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/graph_lowering.h"
#include "model/ir/graph.h"

namespace msq::fpga {

class NodeLowering {
 public:
  NodeLowering(const ir::Node& node, GraphLowering* state) : node_(node), state_(*state) {}

  // Leaves the node's output with the state.
  absl::Status Lower();

  // A convolution's parts for who computes it in strips: slots for its output, and the job. `in` is as high as a strip
  // may be, which has `rows` rows of the output.
  std::vector<int64_t> ConvSlots(const ir::Conv& op, const ImageLayout& in, const ImageLayout* skip) const;
  ConvJob MakeConvJob(const ir::Conv& op, const Placed& in, const std::vector<int64_t>& slots, int64_t rows) const;

  absl::Status operator()(const ir::Conv& op);
  absl::Status operator()(const ir::Dense& op);
  absl::Status operator()(const ir::Add& op);
  absl::Status operator()(const ir::Rescale& op);
  absl::Status operator()(const ir::MaxPool& op);
  absl::Status operator()(const ir::AveragePool& op);
  absl::Status operator()(const ir::GlobalAveragePool& op);
  absl::Status operator()(const ir::Concat& op);
  absl::Status operator()(const ir::ResizeNearest& op);
  absl::Status operator()(const ir::Reshape& op);
  absl::Status operator()(const ir::Pad& op);
  absl::Status operator()(const ir::Slice& op);
  absl::Status operator()(const ir::Recurrent& op);

 private:
  const ir::TensorType& OutType() const { return state_.Type(node_.output); }
  const ir::TensorType& InType() const { return state_.Type(node_.inputs[0]); }
  LayerRecord NewRecord(std::string_view kind) const;

  // The second operand, if the node has one.
  absl::StatusOr<std::optional<Placed>> Skip();
  // Slots for the output: the second operand's, else `otherwise`.
  static std::vector<int64_t> SlotsBeside(const std::optional<Placed>& skip, std::vector<int64_t> otherwise);
  // The whole job, from `in` to a new output with `slots`, which takes the skip operand's place if nobody else needs it.
  absl::Status EmitJob(ConvJob job, const Placed& in, const std::optional<Placed>& skip, const ImageShape& shape,
                       std::vector<int64_t> slots, LayerRecord record);
  ConvJob WindowJob(const ir::Conv& op, const Placed& in, const std::vector<int64_t>& slots, int64_t rows) const;
  // With a window's strides and padding; tiles of several pixels where that is faster for `rows` rows at a time.
  ConvJob ChannelwiseWindowJob(const ChannelTaps& taps, const ir::Window& window, const Placed& in,
                               const std::vector<int64_t>& slots, int64_t rows) const;
  absl::Status LowerPacked(const ir::Conv& op, const TapPacking& taps);
  // Slots of a tile if words beyond the image's last one, up to a whole tile, may be read.
  int64_t TileOf(const Placed& in) const;
  // Averages whose divisor differs from pixel to pixel.
  absl::Status AverageInsideOnly(const ir::AveragePool& op, const Placed& in);
  absl::Status CheckPlain(const Placed& placed, const ir::TensorType& type) const;
  absl::StatusOr<Placed> ConcatChannels(const std::vector<Placed>& parts, LayerRecord* record);
  absl::StatusOr<Placed> ConcatPixels(const ir::Concat& op, const std::vector<Placed>& parts, LayerRecord* record);
  absl::StatusOr<Placed> WithSlots(const Placed& in, const std::vector<int64_t>& slots, LayerRecord* record);

  const ir::Node& node_;
  GraphLowering& state_;
};

}  // namespace msq::fpga
