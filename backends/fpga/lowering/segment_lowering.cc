#include "backends/fpga/lowering/segment_lowering.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "backends/fpga/lowering/node_lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

class StripLowering {
 public:
  StripLowering(const ir::Graph& graph, const Segment& segment, GraphLowering* state)
      : graph_(graph),
        segment_(segment),
        state_(*state),
        tensors_(DivideSegment(graph, UsesOf(graph), state->plan().spilled, segment)) {}

  absl::Status Run() {
    MSQ_RETURN_IF_ERROR(PlaceInputs());
    for (size_t n = segment_.begin; n < segment_.end; ++n) MSQ_RETURN_IF_ERROR(AddNode(graph_.nodes[n]));
    MSQ_RETURN_IF_ERROR(Load(0));
    MSQ_RETURN_IF_ERROR(Load(1));
    for (int64_t k = 0; k < segment_.strips; ++k) {
      for (size_t n = segment_.begin; n < segment_.end; ++n) MSQ_RETURN_IF_ERROR(Compute(n, k));
      MSQ_RETURN_IF_ERROR(Load(k + 2));
    }
    Finish();
    return absl::OkStatus();
  }

 private:
  // Where a tensor is: as a whole, or in buffers that its strips take in turn.
  struct Place {
    Placed whole;  // of strips: the layout alone
    std::vector<std::shared_ptr<Region>> buffers;
  };

  const SegmentTensor& Tensor(ir::TensorId id) const { return tensors_.at(id); }
  const RowRange& Rows(ir::TensorId id, int64_t k) const { return Tensor(id).rows[static_cast<size_t>(k)]; }

  absl::Status PlaceInputs() {
    for (const auto& [id, tensor] : tensors_) {
      if (tensor.produced) continue;
      if (tensor.strip) {
        MSQ_RETURN_IF_ERROR(TakeBuffers(id, state_.SpilledLayout(id)));
      } else {
        MSQ_ASSIGN_OR_RETURN(places_[id].whole, state_.Get(id));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeBuffers(ir::TensorId id, ImageLayout layout) {
    const SegmentTensor& tensor = Tensor(id);
    Place& place = places_[id];
    if (tensor.place_of >= 0) {
      place.buffers = places_[tensor.place_of].buffers;
    } else {
      const ImageLayout strip = layout.WithHeight(tensor.MaxRows());
      int64_t words = strip.words();
      if (IsReadChannelwise(graph_, segment_, id)) {
        const int64_t tile = std::max<int64_t>(1, state_.configuration().lanes() / kWordChannels);
        words += (RoundUp(strip.plane_groups, tile) - strip.plane_groups) * strip.group_words();
      }
      for (int64_t i = 0; i < tensor.buffers; ++i) {
        place.buffers.push_back(state_.memory()->TakeHigh(words));
        if (place.buffers.back() == nullptr) {
          return absl::ResourceExhaustedError(absl::StrCat("no room for ", words, " words of a strip beside ",
                                                           state_.memory()->taken(), " of ", state_.memory()->words(),
                                                           " in the activation memory"));
        }
      }
    }
    place.whole.layout = std::move(layout);
    return absl::OkStatus();
  }

  // Strip k, or what is there as a whole.
  Placed At(ir::TensorId id, int64_t k) const {
    const Place& place = places_.at(id);
    if (!Tensor(id).strip) return place.whole;
    const std::shared_ptr<Region>& buffer = place.buffers[static_cast<size_t>(k) % place.buffers.size()];
    const RowRange& rows = Rows(id, k);
    return {place.whole.layout.WithHeight(rows.count()), buffer->begin(), rows.begin, nullptr};
  }

  // The highest strip in the last buffer: where it may be read, all may.
  Placed Extreme(ir::TensorId id) const {
    const Place& place = places_.at(id);
    if (!Tensor(id).strip) return place.whole;
    int64_t base = 0;
    for (const auto& buffer : place.buffers) base = std::max(base, buffer->begin());
    return {place.whole.layout.WithHeight(Tensor(id).MaxRows()), base, 0, nullptr};
  }

  absl::Status AddNode(const ir::Node& node) {
    const NodeLowering lowering(node, &state_);
    std::vector<Placed> in;
    std::vector<ImageLayout> layouts;
    for (ir::TensorId id : node.inputs) {
      in.push_back(Extreme(id));
      layouts.push_back(places_.at(id).whole.layout);
    }
    MSQ_ASSIGN_OR_RETURN(ImageLayout layout, lowering.OutLayout(layouts));
    const SegmentTensor& out = Tensor(node.output);
    // A residual may lie among other channels.
    if (out.place_of >= 0) layout.plane_groups = std::max(layout.plane_groups, layouts[1].plane_groups);
    if (out.stored()) state_.PlanSpill(node.output, layout);
    if (out.strip) {
      MSQ_RETURN_IF_ERROR(TakeBuffers(node.output, layout));
    } else if (HasResidual(node) && IsWholeBefore(node.inputs[1]) && IsLastUse(node) &&
               state_.MayOverwrite(node, layout)) {
      places_[node.output].whole = places_.at(node.inputs[1]).whole;
      places_[node.output].whole.layout = layout;
    } else {
      MSQ_ASSIGN_OR_RETURN(places_[node.output].whole, state_.TakeOutput(node.output, layout));
      layout = places_[node.output].whole.layout;
    }
    LayerRecord made;
    rows_.push_back(lowering.MakeRows(in, layout, out.MaxRows(), &made));
    return absl::OkStatus();
  }

  bool IsWholeBefore(ir::TensorId id) const { return !Tensor(id).strip && !Tensor(id).produced; }

  // Whether no other node of the segment reads the second operand.
  bool IsLastUse(const ir::Node& node) const {
    int64_t uses = 0;
    for (size_t n = segment_.begin; n < segment_.end; ++n) {
      const std::vector<ir::TensorId>& inputs = graph_.nodes[n].inputs;
      uses += std::count(inputs.begin(), inputs.end(), node.inputs[1]);
    }
    return uses == 1;
  }

  absl::Status Load(int64_t k) {
    if (k >= segment_.strips) return absl::OkStatus();
    for (const auto& [id, tensor] : tensors_) {
      if (!tensor.loaded() || Rows(id, k).count() <= 0) continue;
      const Placed strip = At(id, k);
      MSQ_RETURN_IF_ERROR(state_.LoadRows(id, strip));
      record_.load_words += strip.layout.words();
    }
    return absl::OkStatus();
  }

  absl::Status Compute(size_t n, int64_t k) {
    const ir::Node& node = graph_.nodes[n];
    const RowRange& rows = Rows(node.output, k);
    if (rows.count() <= 0) return absl::OkStatus();
    const Placed out = At(node.output, k);
    std::vector<Placed> in;
    for (ir::TensorId id : node.inputs) in.push_back(At(id, k));
    MSQ_RETURN_IF_ERROR(rows_[n - segment_.begin]->Emit(in, out, rows.begin, rows.end));
    if (!Tensor(node.output).stored()) return absl::OkStatus();
    record_.store_words += out.layout.words();
    return state_.StoreRows(node.output, out);
  }

  // The operators, each once.
  std::string Kinds() const {
    std::vector<std::string> kinds;
    for (size_t n = segment_.begin; n < segment_.end; ++n) {
      const std::string kind(ir::OpName(graph_.nodes[n].op));
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    }
    return absl::StrJoin(kinds, ", ");
  }

  void Finish() {
    record_.kind = absl::StrCat(Kinds(), " in ", segment_.strips, " strips");
    for (size_t n = segment_.begin; n < segment_.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      absl::StrAppend(&record_.node, n == segment_.begin ? "" : ", ", node.name);
      rows_[n - segment_.begin]->AddTo(&record_);
      if (!Tensor(node.output).strip) state_.Put(node.output, std::move(places_[node.output].whole));
    }
    state_.Record(std::move(record_));
  }

  const ir::Graph& graph_;
  const Segment segment_;
  GraphLowering& state_;
  const SegmentTensors tensors_;
  std::map<ir::TensorId, Place> places_;
  std::vector<std::unique_ptr<RowOperator>> rows_;  // of each node
  LayerRecord record_;
};

}  // namespace

absl::Status LowerInStrips(const ir::Graph& graph, const Segment& segment, GraphLowering* state) {
  return StripLowering(graph, segment, state).Run();
}

}  // namespace msq::fpga
