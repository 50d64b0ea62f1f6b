#include "backends/fpga/lowering/segment_lowering.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/fpga/lowering/conv_lowering.h"
#include "backends/fpga/lowering/node_lowering.h"
#include "backends/fpga/lowering/vec_lowering.h"
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

  static ImageLayout WithHeight(ImageLayout layout, int64_t height) {
    layout.height = height;
    return layout;
  }

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
      const ImageLayout strip = WithHeight(layout, tensor.MaxRows());
      int64_t words = strip.words();
      if (IsReadDepthwise(graph_, segment_, id)) {
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
    return {WithHeight(place.whole.layout, rows.count()), buffer->begin(), rows.begin, nullptr};
  }

  // The highest strip in the last buffer: where it may be read, all may.
  Placed Extreme(ir::TensorId id) const {
    const Place& place = places_.at(id);
    if (!Tensor(id).strip) return place.whole;
    int64_t base = 0;
    for (const auto& buffer : place.buffers) base = std::max(base, buffer->begin());
    return {WithHeight(place.whole.layout, Tensor(id).MaxRows()), base, 0, nullptr};
  }

  const ImageLayout& LayoutOf(ir::TensorId id) const { return places_.at(id).whole.layout; }

  ImageLayout MakeLayout(ir::TensorId id, std::vector<int64_t> slots) const {
    const ir::TensorType& type = state_.Type(id);
    return state_.MakeLayout(type, ImageShape(type.shape), std::move(slots));
  }

  absl::Status AddNode(const ir::Node& node) {
    convs_.emplace_back();
    if (const auto* conv = std::get_if<ir::Conv>(&node.op)) {
      const NodeLowering lowering(node, &state_);
      const Placed in = Extreme(node.inputs[0]);
      std::vector<int64_t> slots =
          lowering.ConvSlots(*conv, in.layout, HasResidual(node) ? &LayoutOf(node.inputs[1]) : nullptr);
      const ConvJob job = lowering.MakeConvJob(*conv, in, slots, Tensor(node.output).MaxRows());
      const ImageLayout layout = MakeLayout(node.output, std::move(slots));
      MSQ_RETURN_IF_ERROR(PlaceOutput(node, layout));
      convs_.back().emplace(job, in.layout, layout, state_.builder());
      return absl::OkStatus();
    }
    // These move words as they are; operands of a concatenation stand one after the other in whole words.
    std::vector<int64_t> slots;
    int64_t groups = 0;
    for (ir::TensorId id : node.inputs) {
      for (int64_t slot : LayoutOf(id).slots) slots.push_back(groups * kWordChannels + slot);
      groups += LayoutOf(id).groups();
    }
    return PlaceOutput(node, MakeLayout(node.output, std::move(slots)));
  }

  absl::Status PlaceOutput(const ir::Node& node, const ImageLayout& layout) {
    const Place* skip = HasResidual(node) ? &places_.at(node.inputs[1]) : nullptr;
    if (Tensor(node.output).stored()) state_.PlanSpill(node.output, layout);
    if (Tensor(node.output).strip) {
      if (Tensor(node.output).place_of >= 0 && layout.plane_groups != skip->whole.layout.plane_groups) {
        return Unimplemented("strips of a residual that lies among other channels");
      }
      MSQ_RETURN_IF_ERROR(TakeBuffers(node.output, layout));
    } else if (skip != nullptr && !Tensor(node.inputs[1]).strip && IsLastUse(node) &&
               state_.MayOverwrite(node, layout)) {
      places_[node.output].whole = skip->whole;
      places_[node.output].whole.layout = layout;
    } else {
      MSQ_ASSIGN_OR_RETURN(places_[node.output].whole, state_.TakeOutput(node.output, layout));
    }
    return absl::OkStatus();
  }

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
    if (std::optional<ConvLowering>& conv = convs_[n - segment_.begin]) {
      std::optional<Placed> skip;
      if (HasResidual(node)) skip = At(node.inputs[1], k);
      MSQ_RETURN_IF_ERROR(conv->EmitRows(At(node.inputs[0], k), out, skip ? &*skip : nullptr, rows.begin, rows.end));
    } else {
      MSQ_RETURN_IF_ERROR(Move(node, k, rows, out));
    }
    if (!Tensor(node.output).stored()) return absl::OkStatus();
    record_.store_words += out.layout.words();
    return state_.StoreRows(node.output, out);
  }

  absl::Status Move(const ir::Node& node, int64_t k, const RowRange& rows, const Placed& out) {
    const Placed in = At(node.inputs[0], k);
    if (const auto* pool = std::get_if<ir::MaxPool>(&node.op)) {
      const int64_t height = LayoutOf(node.inputs[0]).height;
      return EmitMaxPool(pool->window, height, in, out, rows.begin, rows.end, state_.builder(), &record_);
    }
    if (const auto* resize = std::get_if<ir::ResizeNearest>(&node.op)) {
      return EmitResize(resize->factors, in, out, rows.begin, rows.end, state_.builder(), &record_);
    }
    ImageCopy copy{.height = rows.count(), .width = out.layout.width, .from_y = rows.begin, .to_y = rows.begin};
    for (ir::TensorId id : node.inputs) {
      MSQ_RETURN_IF_ERROR(EmitCopy(copy, At(id, k), out, state_.builder(), &record_));
      copy.to_group += LayoutOf(id).groups();
    }
    return absl::OkStatus();
  }

  void Finish() {
    const bool convs = std::all_of(convs_.begin(), convs_.end(), [](const auto& conv) { return conv.has_value(); });
    record_.kind = absl::StrCat(convs ? "Conv" : "Nodes", " in ", segment_.strips, " strips");
    for (size_t n = segment_.begin; n < segment_.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      absl::StrAppend(&record_.node, n == segment_.begin ? "" : ", ", node.name);
      if (const auto& conv = convs_[n - segment_.begin]) conv->AddTo(&record_);
      if (!Tensor(node.output).strip) state_.Put(node.output, std::move(places_[node.output].whole));
    }
    state_.Record(std::move(record_));
  }

  const ir::Graph& graph_;
  const Segment segment_;
  GraphLowering& state_;
  const SegmentTensors tensors_;
  std::map<ir::TensorId, Place> places_;
  std::deque<std::optional<ConvLowering>> convs_;  // of each node
  LayerRecord record_;
};

}  // namespace

absl::Status LowerInStrips(const ir::Graph& graph, const Segment& segment, GraphLowering* state) {
  return StripLowering(graph, segment, state).Run();
}

}  // namespace msq::fpga
