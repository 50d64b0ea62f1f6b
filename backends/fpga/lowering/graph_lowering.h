// The state of a lowering: where each tensor is, what is left to be read. The operators are in node_lowering.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/fpga/lowering/activation_memory.h"
#include "backends/fpga/lowering/channel_order.h"
#include "backends/fpga/lowering/conv_lowering.h"
#include "backends/fpga/lowering/program.h"
#include "backends/fpga/lowering/program_builder.h"
#include "backends/fpga/lowering/segments.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// [C,H,W] of a tensor of any rank: a vector is one pixel, a matrix one row of pixels.
struct ImageShape {
  int64_t channels, height, width;
  explicit ImageShape(const ir::Shape& shape);
  ImageShape(int64_t channels, int64_t height, int64_t width) : channels(channels), height(height), width(width) {}
};

class GraphLowering {
 public:
  GraphLowering(const ir::Graph& graph, const hw::Configuration& configuration, Plan plan);

  absl::StatusOr<Program> Run();

  // For operators.
  const ir::TensorType& Type(ir::TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }
  const hw::Configuration& configuration() const { return builder_.configuration(); }
  const ChannelOrder& order() const { return order_; }
  ProgramBuilder* builder() { return &builder_; }
  ActivationMemory* memory() { return &memory_; }

  // The tensor in the activation memory; a graph input is loaded when it is first asked for.
  absl::StatusOr<Placed> Get(ir::TensorId id);
  // Room for an image.
  absl::StatusOr<Placed> Take(ImageLayout layout);
  // Room for tensor `id`: if a concatenation of channels alone reads it, its place there.
  absl::StatusOr<Placed> TakeOutput(ir::TensorId id, ImageLayout layout);
  // Whether the node may write its output, as this layout, over its second operand: nobody reads that again.
  bool MayOverwrite(const ir::Node& node, const ImageLayout& layout);
  // Where the operands of a concatenation of channels go; made when the first of them, or the node itself, asks.
  struct ConcatPlan {
    Placed out;                   // its slots are not known yet
    std::vector<int64_t> groups;  // reserved for each operand
    std::vector<int64_t> first;   // group of each operand
  };
  absl::StatusOr<ConcatPlan> PlanConcat(const ir::Node& node);
  // A layout for codes or sums of `type` as this image, with these slots.
  ImageLayout MakeLayout(const ir::TensorType& type, const ImageShape& shape, std::vector<int64_t> slots) const;
  void Put(ir::TensorId id, Placed placed) { placed_[static_cast<size_t>(id)] = std::move(placed); }

  const Plan& plan() const { return plan_; }
  bool IsSpilled(ir::TensorId id) const { return !plan_.spilled.empty() && plan_.spilled[static_cast<size_t>(id)]; }
  // Of a spilled tensor: rows between DRAM and the activation memory, where they lie alone.
  void PlanSpill(ir::TensorId id, ImageLayout layout);
  const ImageLayout& SpilledLayout(ir::TensorId id);
  // Takes the words of spilled `id`, whose pixels are as many, for spilled `as`. False if one of them has to lie elsewhere.
  bool RenameSpilled(ir::TensorId id, ir::TensorId as);
  absl::Status LoadRows(ir::TensorId id, const Placed& rows);
  absl::Status StoreRows(ir::TensorId id, const Placed& rows);

  // A graph input that is not loaded yet and that nobody but the present node reads.
  bool IsUnseenInput(ir::TensorId id) const;
  // The host packs such an input: as tensor `as`, or in taps.
  void RenameInput(ir::TensorId id, ir::TensorId as);
  const HostTensor* PackInput(ir::TensorId id, const TapPacking& taps, ImageLayout layout);
  // The node that alone reads the tensor, or null.
  const ir::Node* OnlyReader(ir::TensorId id) const;
  // The pooling that alone reads the tensor and may be computed with it, or null.
  const ir::Node* PoolingToTakeOver(ir::TensorId id) const;
  bool IsInStrips(const ir::Node& node) const { return in_strips_[static_cast<size_t>(&node - graph_.nodes.data())]; }
  // Stores the node's output if it is the graph's, and frees what nobody reads any more. Called for each node when its
  // instructions are there; by an operator, for a node that it has taken over.
  absl::Status FinishNode(const ir::Node& node);
  void Record(LayerRecord record) { layers_.push_back(std::move(record)); }

 private:
  // A tensor in DRAM.
  struct Spilled {
    ImageLayout layout;
    int64_t dram = 0;
    Section section = Section::kSpilled;

    // What these rows are to the program builder. Each row counts once, for the words of all its channels.
    Range Words(const Placed& rows) const;
  };

  // One or more LOADs or STOREs, whichever Fields are.
  template <typename Fields, typename Emit>
  absl::Status MoveRows(const Spilled& spilled, const Placed& rows, Emit emit);
  absl::Status RunAtOnce(const Segment& segment);
  absl::Status RunInStrips(const Segment& segment);
  // Adds the instructions since then to the last layer.
  void CountInstructions(int64_t convs_before, int64_t vecs_before);
  bool IsOutput(ir::TensorId id) const;
  // A graph input's place in DRAM, from which it is loaded in strips.
  void PlanInput(ir::TensorId id);
  absl::Status LoadInput(size_t index, ir::TensorId id);
  // Stores the tensor if it is an output.
  absl::Status StoreOutput(ir::TensorId id);

  const ir::Graph& graph_;
  const Plan plan_;
  const ChannelOrder order_;
  ProgramBuilder builder_;
  ActivationMemory memory_;
  std::vector<std::optional<Placed>> placed_;  // by tensor
  std::map<ir::TensorId, Spilled> spilled_;
  std::vector<int64_t> readers_;                      // by tensor: nodes that are still to read it
  std::vector<std::optional<size_t>> pending_input_;  // by tensor: the graph input that it is, until it is loaded
  // Word groups of each tensor as an operand of a concatenation, unless a residual brought it empty slots.
  std::vector<int64_t> expected_groups_;
  std::map<const ir::Node*, ConcatPlan> concats_;  // whose operands are not all there yet
  std::vector<bool> in_strips_;                    // by node
  std::vector<bool> done_;                         // by node
  std::vector<HostTensor> inputs_, outputs_;
  std::vector<LayerRecord> layers_;
};

}  // namespace msq::fpga
