#include "backends/fpga/lowering/node_lowering.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "backends/fpga/lowering/first_layer.h"
#include "backends/fpga/lowering/pixel_tiles.h"
#include "backends/fpga/lowering/vec_lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

bool SameImage(const ImageLayout& a, const ImageLayout& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

}  // namespace

absl::Status NodeLowering::Lower() {
  return std::visit(*this, node_.op);
}

LayerRecord NodeLowering::NewRecord(std::string_view kind) const {
  LayerRecord record;
  record.node = node_.name;
  record.kind = std::string(kind);
  return record;
}

absl::StatusOr<std::optional<Placed>> NodeLowering::Skip() {
  if (node_.inputs.size() < 2) return std::optional<Placed>();
  MSQ_ASSIGN_OR_RETURN(Placed placed, state_.Get(node_.inputs[1]));
  const ImageShape shape(OutType().shape);
  if (placed.layout.channels != shape.channels || placed.layout.pixels() != shape.height * shape.width) {
    return Unimplemented("the second operand lies as an image of another shape");
  }
  return std::optional<Placed>(std::move(placed));
}

std::vector<int64_t> NodeLowering::SlotsBeside(const std::optional<Placed>& skip, std::vector<int64_t> otherwise) {
  return skip ? skip->layout.slots : std::move(otherwise);
}

int64_t NodeLowering::TileOf(const Placed& in) const {
  const int64_t lanes = state_.configuration().lanes();
  if (lanes % kWordChannels != 0) return 0;
  const int64_t groups = RoundUp(in.layout.groups(), lanes / kWordChannels);
  const int64_t last_plane = (in.layout.planes() - 1) * in.layout.plane_words();
  return in.base + last_plane + groups * in.layout.group_words() <= state_.memory()->words() ? lanes : 0;
}

absl::Status NodeLowering::EmitJob(ConvJob job, const Placed& in, const std::optional<Placed>& skip,
                                   const ImageShape& shape, std::vector<int64_t> slots, LayerRecord record) {
  job.out_height = shape.height;
  job.out_width = shape.width;
  ImageLayout layout = state_.MakeLayout(OutType(), shape, std::move(slots));
  Placed out;
  if (skip && state_.MayOverwrite(node_, layout)) {
    out = *skip;
    out.layout = std::move(layout);
  } else {
    MSQ_ASSIGN_OR_RETURN(out, state_.TakeOutput(node_.output, std::move(layout)));
  }
  ConvLowering conv(job, in.layout, out.layout, state_.builder());
  MSQ_RETURN_IF_ERROR(conv.EmitRows(in, out, skip ? &*skip : nullptr, 0, shape.height));
  conv.AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

ConvJob NodeLowering::ChannelwiseWindowJob(const ChannelTaps& taps, const ir::Window& window, const Placed& in,
                                           const std::vector<int64_t>& slots, int64_t rows) const {
  ChannelwiseTile tile;
  // Pixels of a second operand are always one word apart.
  if (node_.inputs.size() == 1) {
    const ChannelwiseShape shape = {std::ssize(slots), in.layout.width, rows, ImageShape(OutType().shape).width,
                                    in.layout.planes()};
    tile = ChooseChannelwiseTile(window, shape, state_.configuration());
  }
  ConvJob job = ChannelwiseJob(taps, in.layout, slots, tile.pixels > 1 ? kWordChannels : TileOf(in));
  if (tile.pixels > 1 && job.weights.groups() == 1) {
    job.pixels = tile.pixels;
  } else if (tile.pixels > 1) {
    job = ChannelwiseJob(taps, in.layout, slots, TileOf(in));
  }
  job.strides = window.strides;
  job.dilations = window.dilations;
  job.pad_top = window.pads[0];
  job.pad_left = window.pads[1];
  return job;
}

ConvJob NodeLowering::WindowJob(const ir::Conv& op, const Placed& in, const std::vector<int64_t>& slots,
                                int64_t rows) const {
  if (op.groups == 1 || op.groups != in.layout.channels) return DenseConvJob(op, in.layout);
  ChannelTaps taps{.kernel = op.window.kernel, .sources = {}, .values = op.weights.values};
  for (int64_t row = 0; row < op.weights.rows; ++row) {
    taps.sources.push_back(row / (op.weights.rows / in.layout.channels));
  }
  return ChannelwiseWindowJob(taps, op.window, in, slots, rows);
}

std::vector<int64_t> NodeLowering::ConvSlots(const ir::Conv& op, const ImageLayout& in, const ImageLayout* skip) const {
  if (skip != nullptr) return skip->slots;
  const bool depthwise = op.groups > 1 && op.groups == in.channels && op.groups == op.weights.rows;
  return depthwise ? state_.order().ChooseWithinPeriods(node_.output, in.slots)
                   : state_.order().Choose(node_.output, op.weights.rows);
}

ConvJob NodeLowering::MakeConvJob(const ir::Conv& op, const Placed& in, const std::vector<int64_t>& slots,
                                  int64_t rows) const {
  ConvJob job = WindowJob(op, in, slots, rows);
  job.pad_code = InType().zero_point;
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  const ImageShape shape(OutType().shape);
  job.out_height = shape.height;
  job.out_width = shape.width;
  return job;
}

absl::Status NodeLowering::operator()(const ir::Conv& op) {
  if (state_.IsUnseenInput(node_.inputs[0])) {
    if (const auto taps = ChoosePacking(op, InType())) return LowerPacked(op, *taps);
  }
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_ASSIGN_OR_RETURN(const std::optional<Placed> skip, Skip());
  const std::vector<int64_t> slots = ConvSlots(op, in.layout, skip ? &skip->layout : nullptr);
  const ImageShape shape(OutType().shape);
  ConvJob job = MakeConvJob(op, in, slots, shape.height);
  LayerRecord record = NewRecord(job.pixels > 1 ? "Conv by pixels" : job.by_tile ? "Conv by tile" : "Conv");
  return EmitJob(std::move(job), in, skip, shape, slots, std::move(record));
}

absl::Status NodeLowering::LowerPacked(const ir::Conv& op, const TapPacking& taps) {
  MSQ_ASSIGN_OR_RETURN(const std::optional<Placed> skip, Skip());
  const ImageShape shape(OutType().shape);
  const HostTensor* input =
      state_.PackInput(node_.inputs[0], taps, PackedLayout(op, taps, InType().bits, shape.height, shape.width));
  const std::vector<int64_t> slots = SlotsBeside(skip, state_.order().Choose(node_.output, op.weights.rows));
  ConvJob job = PackedConvJob(op, taps, input->layout);
  job.out_height = shape.height;
  job.out_width = shape.width;
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  FirstLayer layer{.input = input, .conv = nullptr, .conv_out = state_.MakeLayout(OutType(), shape, slots), .out = {}};
  layer.skip = skip ? &*skip : nullptr;
  const ir::Node* reader = state_.OnlyReader(node_.output);
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

absl::Status NodeLowering::operator()(const ir::Dense& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_ASSIGN_OR_RETURN(const std::optional<Placed> skip, Skip());
  ConvJob job = DenseJob(op, in.layout);
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  std::vector<int64_t> slots = SlotsBeside(skip, state_.order().Choose(node_.output, op.weights.rows));
  return EmitJob(std::move(job), in, skip, ImageShape(OutType().shape), std::move(slots), NewRecord("Dense"));
}

absl::Status NodeLowering::operator()(const ir::Add& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_ASSIGN_OR_RETURN(const Placed other, state_.Get(node_.inputs[1]));
  if (!SameImage(in.layout, other.layout)) return Unimplemented("the operands lie as images of different shapes");
  ConvJob job = ChannelwiseJob(OwnChannel(in.layout.channels, {1, 1}), in.layout, other.layout.slots, TileOf(in));
  job.rows = ConstantsOf(op.requantizer, in.layout.channels);
  const ImageShape shape(in.layout.channels, in.layout.height, in.layout.width);
  return EmitJob(std::move(job), in, other, shape, other.layout.slots, NewRecord("Add"));
}

absl::Status NodeLowering::operator()(const ir::Rescale& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  const auto entries = static_cast<int64_t>(op.requantizer.multipliers.size());
  if (entries != 1 && entries != in.layout.channels) return Unimplemented("constants for each element of an image");
  ConvJob job = ChannelwiseJob(OwnChannel(in.layout.channels, {1, 1}), in.layout, in.layout.slots, TileOf(in));
  job.rows = ConstantsOf(op.requantizer, in.layout.channels);
  job.leaky = op.requantizer.leaky.has_value();
  const ImageShape shape(in.layout.channels, in.layout.height, in.layout.width);
  return EmitJob(std::move(job), in, std::nullopt, shape, in.layout.slots, NewRecord("Rescale"));
}

// All channels are averaged alike, so that one tile's weights serve them all: tiles of channels are pixels.
absl::Status NodeLowering::operator()(const ir::GlobalAveragePool& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  const std::array<int64_t, 2> kernel = {in.layout.height, in.layout.width};
  const int64_t lanes = state_.configuration().lanes(), tile_groups = lanes / kWordChannels;
  const bool whole_tiles = lanes % kWordChannels == 0 && in.layout.groups() % tile_groups == 0;
  const bool buffered = kernel[0] * kernel[1] * tile_groups <= state_.configuration().wdepth;
  if (!whole_tiles || !buffered || op.requantizer.multipliers.size() != 1) {
    ConvJob job = ChannelwiseJob(OwnChannel(in.layout.channels, kernel), in.layout, in.layout.slots, TileOf(in));
    job.rows = ConstantsOf(op.requantizer, in.layout.channels);
    job.leaky = op.requantizer.leaky.has_value();
    return EmitJob(std::move(job), in, std::nullopt, ImageShape(OutType().shape), in.layout.slots,
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

absl::Status NodeLowering::operator()(const ir::AveragePool& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  if (!op.count_include_pad) return AverageInsideOnly(op, in);
  const ImageShape shape(OutType().shape);
  ConvJob job = ChannelwiseWindowJob(OwnChannel(in.layout.channels, op.window.kernel), op.window, in, in.layout.slots,
                                     shape.height);
  job.pad_code = InType().zero_point;
  job.rows = ConstantsOf(op.requantizer, in.layout.channels);
  job.leaky = op.requantizer.leaky.has_value();
  return EmitJob(std::move(job), in, std::nullopt, shape, in.layout.slots, NewRecord("AveragePool"));
}

absl::Status NodeLowering::AverageInsideOnly(const ir::AveragePool& op, const Placed& in) {
  const ImageShape shape(OutType().shape);
  MSQ_ASSIGN_OR_RETURN(Placed out,
                       state_.TakeOutput(node_.output, state_.MakeLayout(OutType(), shape, in.layout.slots)));
  // Taps inside the image along one axis: padding counts as code 0.
  const auto inside = [&op](size_t axis, int64_t position, int64_t length) {
    const int64_t first = position * op.window.strides[axis] - op.window.pads[axis];
    return std::min(first + op.window.kernel[axis], length) - std::max<int64_t>(first, 0);
  };
  const auto taps = [&](int64_t y, int64_t x) {
    return inside(0, y, in.layout.height) * inside(1, x, in.layout.width);
  };
  std::map<int64_t, ConvLowering> by_taps;
  LayerRecord record = NewRecord("AveragePool");
  const auto emit = [&](const OutputPart& part) -> absl::Status {
    const int64_t count = taps(part.y, part.x);
    auto found = by_taps.find(count);
    if (found == by_taps.end()) {
      ConvJob job =
          ChannelwiseJob(OwnChannel(in.layout.channels, op.window.kernel), in.layout, in.layout.slots, TileOf(in));
      job.strides = op.window.strides;
      job.pad_top = op.window.pads[0];
      job.pad_left = op.window.pads[1];
      job.out_height = shape.height;
      job.out_width = shape.width;
      job.rows = ConstantsOfEntry(op.requantizer, static_cast<size_t>(count - 1), in.layout.channels);
      job.leaky = op.requantizer.leaky.has_value();
      found = by_taps.try_emplace(count, job, in.layout, out.layout, state_.builder()).first;
    }
    return found->second.EmitBlock(in, out, nullptr, part);
  };
  for (int64_t y = 0; y < shape.height;) {
    // Rows of one count throughout go together, other rows in pieces.
    const auto uniform = [&](int64_t row) {
      for (int64_t x = 0; x < shape.width; ++x) {
        if (taps(row, x) != taps(y, 0)) return false;
      }
      return true;
    };
    int64_t rows = 0;
    while (y + rows < shape.height && uniform(y + rows)) ++rows;
    if (rows > 0) MSQ_RETURN_IF_ERROR(emit({y, rows, 0, shape.width}));
    for (int64_t x = 0; rows == 0 && x < shape.width;) {
      int64_t columns = 1;
      while (x + columns < shape.width && taps(y, x + columns) == taps(y, x)) ++columns;
      MSQ_RETURN_IF_ERROR(emit({y, 1, x, columns}));
      x += columns;
    }
    y += std::max<int64_t>(rows, 1);
  }
  for (const auto& [count, conv] : by_taps) conv.AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

}  // namespace msq::fpga
