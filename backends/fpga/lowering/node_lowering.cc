#include "backends/fpga/lowering/node_lowering.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "backends/fpga/lowering/first_layer.h"
#include "base/status.h"

namespace msq::fpga {

absl::Status NodeLowering::Lower() {
  return std::visit([this](const auto& op) { return LowerWhole(op); }, node_.op);
}

LayerRecord NodeLowering::NewRecord(std::string_view kind) const {
  LayerRecord record;
  record.node = node_.name;
  record.kind = std::string(kind);
  return record;
}

absl::StatusOr<Placed> NodeLowering::TakeOutput(ImageLayout layout, const Placed* skip) {
  if (skip == nullptr || !state_.MayOverwrite(node_, layout)) {
    return state_.TakeOutput(node_.output, std::move(layout));
  }
  Placed out = *skip;
  out.layout = std::move(layout);
  return out;
}

absl::StatusOr<std::vector<Placed>> NodeLowering::Operands() {
  std::vector<Placed> operands;
  for (ir::TensorId id : node_.inputs) {
    MSQ_ASSIGN_OR_RETURN(Placed placed, state_.Get(id));
    operands.push_back(std::move(placed));
  }
  return operands;
}

absl::Status NodeLowering::LowerAllRows() {
  MSQ_ASSIGN_OR_RETURN(const std::vector<Placed> in, Operands());
  MSQ_ASSIGN_OR_RETURN(ImageLayout layout, OutLayout(LayoutsOf(in)));
  MSQ_ASSIGN_OR_RETURN(Placed out, TakeOutput(std::move(layout), HasResidual(node_) ? &in[1] : nullptr));
  LayerRecord record = NewRecord("");
  const auto rows = MakeRows(in, out.layout, out.layout.height, &record);
  MSQ_RETURN_IF_ERROR(rows->Emit(in, out, 0, out.layout.height));
  rows->AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

absl::Status NodeLowering::EmitJob(const ConvJob& job, const Placed& in, const Placed* skip, ImageLayout layout,
                                   LayerRecord record) {
  MSQ_ASSIGN_OR_RETURN(Placed out, TakeOutput(std::move(layout), skip));
  ConvLowering conv(job, in.layout, out.layout, state_.builder());
  MSQ_RETURN_IF_ERROR(conv.EmitRows(in, out, skip, 0, job.out_height));
  conv.AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

absl::Status NodeLowering::LowerWhole(const ir::Conv& op) {
  if (state_.IsUnseenInput(node_.inputs[0])) {
    if (const auto taps = ChoosePacking(op, InType())) return LowerPacked(op, *taps);
  }
  return LowerAllRows();
}

absl::Status NodeLowering::LowerPacked(const ir::Conv& op, const TapPacking& taps) {
  Placed skip;
  const bool has_skip = node_.inputs.size() > 1;
  if (has_skip) {
    MSQ_ASSIGN_OR_RETURN(skip, state_.Get(node_.inputs[1]));
    MSQ_RETURN_IF_ERROR(CheckResidual(skip.layout));
  }
  const ImageShape shape(OutType().shape);
  const HostTensor* input =
      state_.PackInput(node_.inputs[0], taps, PackedLayout(op, taps, InType().bits, shape.height, shape.width));
  const std::vector<int64_t> slots =
      has_skip ? skip.layout.slots : state_.order().Choose(node_.output, op.weights.rows);
  MSQ_RETURN_IF_ERROR(CheckJobSize(op.weights.rows, CeilDiv(op.window.kernel[0], taps.stride_y), 1,
                                   input->layout.groups() * kWordChannels));
  ConvJob job = PackedConvJob(op, taps, input->layout);
  job.out_height = shape.height;
  job.out_width = shape.width;
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  FirstLayer layer{.input = input, .conv = nullptr, .conv_out = state_.MakeLayout(OutType(), shape, slots), .out = {}};
  layer.skip = has_skip ? &skip : nullptr;
  const ir::Node* reader = state_.PoolingToTakeOver(node_.output);
  const ir::MaxPool* pool = reader == nullptr ? nullptr : std::get_if<ir::MaxPool>(&reader->op);
  const ir::TensorId output = pool == nullptr ? node_.output : reader->output;
  if (pool != nullptr) layer.pool = &pool->window;
  const ImageLayout out = state_.MakeLayout(state_.Type(output), ImageShape(state_.Type(output).shape), slots);
  if (auto whole = state_.TakeOutput(output, out); whole.ok() || !state_.IsSpilled(output)) {
    MSQ_ASSIGN_OR_RETURN(layer.out, std::move(whole));
  } else {
    layer.out.layout = out;
    state_.PlanSpill(output, out);
    layer.store = [this, output](const Placed& strip) { return state_.StoreRows(output, strip); };
  }
  ConvLowering conv(job, input->layout, layer.conv_out, state_.builder());
  layer.conv = &conv;
  LayerRecord record = NewRecord(pool == nullptr ? "Conv packed" : "Conv packed, MaxPool");
  MSQ_RETURN_IF_ERROR(EmitFirstLayer(layer, state_.memory(), state_.builder(), &record));
  conv.AddTo(&record);
  state_.Record(std::move(record));
  if (layer.store == nullptr) state_.Put(output, std::move(layer.out));
  return pool == nullptr ? absl::OkStatus() : state_.FinishNode(*reader);
}

absl::Status NodeLowering::LowerWhole(const ir::Dense& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  Placed skip;
  const bool has_skip = node_.inputs.size() > 1;
  if (has_skip) {
    MSQ_ASSIGN_OR_RETURN(skip, state_.Get(node_.inputs[1]));
    MSQ_RETURN_IF_ERROR(CheckResidual(skip.layout));
  }
  MSQ_RETURN_IF_ERROR(
      CheckJobSize(op.weights.rows, in.layout.height, in.layout.width, in.layout.groups() * kWordChannels));
  ConvJob job = DenseJob(op, in.layout);
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  std::vector<int64_t> slots = has_skip ? skip.layout.slots : state_.order().Choose(node_.output, op.weights.rows);
  return EmitJob(job, in, has_skip ? &skip : nullptr,
                 state_.MakeLayout(OutType(), ImageShape(OutType().shape), std::move(slots)), NewRecord("Dense"));
}

// All channels are averaged alike, so that one tile's weights serve them all: tiles of channels are pixels.
absl::Status NodeLowering::LowerWhole(const ir::GlobalAveragePool& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  const std::array<int64_t, 2> kernel = {in.layout.height, in.layout.width};
  const int64_t lanes = state_.configuration().lanes(), tile_groups = lanes / kWordChannels;
  const bool whole_tiles = lanes % kWordChannels == 0 && in.layout.groups() % tile_groups == 0;
  const bool buffered = kernel[0] * kernel[1] * tile_groups <= state_.configuration().wdepth;
  const int64_t slots = std::max(lanes, in.layout.groups() * kWordChannels);
  MSQ_RETURN_IF_ERROR(CheckJobSize(std::max(lanes, in.layout.channels), kernel[0], kernel[1], slots));
  if (!whole_tiles || !buffered || op.requantizer.multipliers.size() != 1) {
    ConvJob job =
        ChannelwiseJob(OwnChannel(in.layout.channels, kernel), in.layout, in.layout.slots, TileOf(in, in.layout.slots));
    job.rows = ConstantsOf(op.requantizer, in.layout.channels);
    job.leaky = op.requantizer.leaky.has_value();
    return EmitJob(job, in, nullptr, state_.MakeLayout(OutType(), ImageShape(OutType().shape), in.layout.slots),
                   NewRecord("GlobalAveragePool"));
  }
  MSQ_ASSIGN_OR_RETURN(
      Placed out,
      state_.TakeOutput(node_.output, state_.MakeLayout(OutType(), ImageShape(OutType().shape), in.layout.slots)));
  const auto one_tile = [lanes](ImageLayout layout) {
    layout.channels = lanes;
    layout.slots.resize(static_cast<size_t>(lanes));
    std::iota(layout.slots.begin(), layout.slots.end(), int64_t{0});
    return layout;
  };
  const ImageLayout in_tile = one_tile(in.layout), out_tile = one_tile(out.layout);
  ConvJob job = ChannelwiseJob(OwnChannel(lanes, kernel), in_tile, out_tile.slots, lanes);
  job.out_width = in.layout.groups() / tile_groups;
  job.rows = ConstantsOf(op.requantizer, lanes);
  job.leaky = op.requantizer.leaky.has_value();
  ConvLowering conv(job, in_tile, out_tile, state_.builder());
  MSQ_RETURN_IF_ERROR(conv.EmitTilesAsPixels(in, out, job.out_width));
  LayerRecord record = NewRecord("GlobalAveragePool");
  conv.AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

}  // namespace msq::fpga
