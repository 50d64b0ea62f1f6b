// Operators that work row by row: how their outputs lie, and which RowOperator computes them.
#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "backends/fpga/lowering/node_lowering.h"
#include "backends/fpga/lowering/pixel_tiles.h"
#include "base/check.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

bool SameImage(const ImageLayout& a, const ImageLayout& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

// Attributes of Pad and Slice by axis of the image.
int64_t OfAxis(const std::vector<int64_t>& values, size_t axis, int64_t otherwise) {
  const size_t rank = values.size();  // 1: channels; 2: channels, width; 3: channels, height, width
  if (axis == 0) return values[0];
  if (axis == 1) return rank == 3 ? values[1] : otherwise;
  return rank >= 2 ? values[rank - 1] : otherwise;
}

// Concatenated channels stand in whole words, one operand after the other; the slots between them stay empty.
std::vector<int64_t> FirstGroups(std::span<const ImageLayout> in) {
  std::vector<int64_t> first;
  int64_t end = 0;
  for (const ImageLayout& layout : in) {
    first.push_back(end);
    end += layout.groups();
  }
  return first;
}

}  // namespace

std::vector<ImageLayout> LayoutsOf(std::span<const Placed> placed) {
  std::vector<ImageLayout> layouts;
  for (const Placed& each : placed) layouts.push_back(each.layout);
  return layouts;
}

int64_t NodeLowering::TileOf(const Placed& in, const std::vector<int64_t>& slots) const {
  const int64_t lanes = state_.configuration().lanes();
  if (lanes % kWordChannels != 0) return 0;
  const int64_t last_slot = slots.empty() ? 0 : *std::max_element(slots.begin(), slots.end());
  const int64_t tiles = std::max(CeilDiv(in.layout.groups() * kWordChannels, lanes), last_slot / lanes + 1);
  const int64_t groups = tiles * lanes / kWordChannels;
  const int64_t last_plane = (in.layout.planes() - 1) * in.layout.plane_words();
  return in.base + last_plane + groups * in.layout.group_words() <= state_.memory()->words() ? lanes : 0;
}

absl::Status NodeLowering::CheckResidual(const ImageLayout& skip) const {
  const ImageShape shape(OutType().shape);
  if (skip.channels == shape.channels && skip.pixels() == shape.height * shape.width) return absl::OkStatus();
  return Unimplemented("the second operand lies as an image of another shape");
}

absl::Status NodeLowering::CheckPlain(std::span<const ImageLayout> in) const {
  for (size_t i = 0; i < in.size(); ++i) {
    const ir::Shape& type = state_.Type(node_.inputs[i]).shape;
    const ImageShape shape(type);
    if (type.size() > 3 || in[i].channels != shape.channels || in[i].height != shape.height ||
        in[i].width != shape.width) {
      return Unimplemented("tensor ", ir::ToString(type), " does not lie as an image of its own shape");
    }
  }
  return absl::OkStatus();
}

std::vector<int64_t> NodeLowering::ConvSlots(const ir::Conv& op, std::span<const ImageLayout> in) const {
  if (in.size() > 1) return in[1].slots;
  const bool depthwise = op.groups > 1 && op.groups == in[0].channels && op.groups == op.weights.rows;
  return depthwise ? state_.order().ChooseWithinPeriods(node_.output, in[0].slots)
                   : state_.order().Choose(node_.output, op.weights.rows);
}

// What CONV computes, however its job will be made.
absl::Status NodeLowering::CheckSize(std::span<const ImageLayout> in) const {
  std::array<int64_t, 2> kernel = {1, 1};
  if (const auto* conv = std::get_if<ir::Conv>(&node_.op)) {
    kernel = conv->window.kernel;
  } else if (const auto* pool = std::get_if<ir::AveragePool>(&node_.op)) {
    kernel = pool->window.kernel;
  } else if (std::holds_alternative<ir::MaxPool>(node_.op) || std::holds_alternative<ir::ResizeNearest>(node_.op)) {
    return absl::OkStatus();
  }
  for (const ImageLayout& layout : in) {
    MSQ_RETURN_IF_ERROR(CheckJobSize(OutType().shape[0], kernel[0], kernel[1], layout.groups() * kWordChannels));
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageLayout> NodeLowering::OutLayout(std::span<const ImageLayout> in) const {
  MSQ_RETURN_IF_ERROR(CheckSize(in));
  const ImageShape shape(OutType().shape), in_shape(in[0].channels, in[0].height, in[0].width);
  if (const auto* conv = std::get_if<ir::Conv>(&node_.op)) {
    if (in.size() > 1) MSQ_RETURN_IF_ERROR(CheckResidual(in[1]));
    return state_.MakeLayout(OutType(), shape, ConvSlots(*conv, in));
  }
  if (std::holds_alternative<ir::Add>(node_.op)) {
    if (!SameImage(in[0], in[1])) return Unimplemented("the operands lie as images of different shapes");
    return state_.MakeLayout(OutType(), in_shape, in[1].slots);
  }
  if (const auto* rescale = std::get_if<ir::Rescale>(&node_.op)) {
    const auto entries = static_cast<int64_t>(rescale->requantizer.multipliers.size());
    if (entries != 1 && entries != in[0].channels) return Unimplemented("constants for each element of an image");
    return state_.MakeLayout(OutType(), in_shape, in[0].slots);
  }
  if (std::holds_alternative<ir::Pad>(node_.op) || std::holds_alternative<ir::Slice>(node_.op)) {
    MSQ_RETURN_IF_ERROR(CheckPlain(in));
    return state_.MakeLayout(OutType(), shape, state_.order().Choose(node_.output, shape.channels));
  }
  const auto* concat = std::get_if<ir::Concat>(&node_.op);
  if (concat != nullptr) MSQ_RETURN_IF_ERROR(CheckPlain(in));
  if (concat == nullptr || concat->axis != 0) return state_.MakeLayout(OutType(), shape, in[0].slots);
  std::vector<int64_t> slots;
  const std::vector<int64_t> first = FirstGroups(in);
  for (size_t i = 0; i < in.size(); ++i) {
    for (int64_t slot : in[i].slots) slots.push_back(first[i] * kWordChannels + slot);
  }
  return state_.MakeLayout(OutType(), shape, std::move(slots));
}

std::unique_ptr<RowOperator> NodeLowering::MakeRows(std::span<const Placed> in, const ImageLayout& out, int64_t rows,
                                                    LayerRecord* record) const {
  ProgramBuilder* const builder = state_.builder();
  const auto make = [&](const auto& op) -> std::unique_ptr<RowOperator> {
    using Op = std::decay_t<decltype(op)>;
    record->kind = ir::OpName(node_.op);
    if constexpr (std::is_same_v<Op, ir::MaxPool>) {
      return MakeMaxPoolRows(op.window, ImageShape(InType().shape).height, builder);
    } else if constexpr (std::is_same_v<Op, ir::ResizeNearest>) {
      return MakeResizeRows(op.factors, builder);
    } else if constexpr (std::is_same_v<Op, ir::Concat>) {
      return MakeConcatRows(op, in, out);
    } else if constexpr (requires { JobOf(op, in[0], out, rows); }) {
      RowJob made = JobOf(op, in[0], out, rows);
      record->kind = made.kind;
      made.job.out_height = out.height;
      made.job.out_width = out.width;
      if constexpr (std::is_same_v<Op, ir::AveragePool>) {
        if (!op.count_include_pad) {
          return MakeAverageRows(op, made.job, ImageShape(InType().shape).height, out, builder);
        }
      }
      return MakeConvRows(made.job, in[0].layout, out, builder);
    } else {
      return nullptr;
    }
  };
  std::unique_ptr<RowOperator> made = std::visit(make, node_.op);
  MSQ_CHECK(made != nullptr);
  return made;
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
  ConvJob job = ChannelwiseJob(taps, in.layout, slots, tile.pixels > 1 ? kWordChannels : TileOf(in, slots));
  if (tile.pixels > 1 && job.weights.groups() == 1) {
    job.pixels = tile.pixels;
  } else if (tile.pixels > 1) {
    job = ChannelwiseJob(taps, in.layout, slots, TileOf(in, slots));
  }
  job.strides = window.strides;
  job.dilations = window.dilations;
  job.pad_top = window.pads[0];
  job.pad_left = window.pads[1];
  return job;
}

ConvJob NodeLowering::PointJob(const ChannelTaps& taps, const Placed& in, const std::vector<int64_t>& slots) const {
  return ChannelwiseJob(taps, in.layout, slots, TileOf(in, slots));
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

NodeLowering::RowJob NodeLowering::JobOf(const ir::Conv& op, const Placed& in, const ImageLayout& out,
                                         int64_t rows) const {
  ConvJob job = WindowJob(op, in, out.slots, rows);
  job.pad_code = InType().zero_point;
  job.rows = ConstantsOf(op.epilogue, op.weights.rows);
  job.leaky = IsLeaky(op.epilogue);
  const std::string_view kind = job.pixels > 1 ? "Conv by pixels" : job.by_tile ? "Conv by tile" : "Conv";
  return {std::move(job), kind};
}

NodeLowering::RowJob NodeLowering::JobOf(const ir::Add& op, const Placed& in, const ImageLayout& out, int64_t) const {
  ConvJob job = PointJob(OwnChannel(in.layout.channels, {1, 1}), in, out.slots);
  job.rows = ConstantsOf(op.requantizer, in.layout.channels);
  return {std::move(job), "Add"};
}

NodeLowering::RowJob NodeLowering::JobOf(const ir::Rescale& op, const Placed& in, const ImageLayout& out,
                                         int64_t) const {
  ConvJob job = PointJob(OwnChannel(in.layout.channels, {1, 1}), in, out.slots);
  job.rows = ConstantsOf(op.requantizer, in.layout.channels);
  job.leaky = op.requantizer.leaky.has_value();
  return {std::move(job), "Rescale"};
}

NodeLowering::RowJob NodeLowering::JobOf(const ir::AveragePool& op, const Placed& in, const ImageLayout& out,
                                         int64_t rows) const {
  const ChannelTaps taps = OwnChannel(in.layout.channels, op.window.kernel);
  if (op.count_include_pad) {
    ConvJob job = ChannelwiseWindowJob(taps, op.window, in, out.slots, rows);
    job.pad_code = InType().zero_point;
    job.rows = ConstantsOf(op.requantizer, in.layout.channels);
    job.leaky = op.requantizer.leaky.has_value();
    return {std::move(job), "AveragePool"};
  }
  // Blocks of all sizes: no tiles of several pixels.
  ConvJob job = PointJob(taps, in, out.slots);
  job.strides = op.window.strides;
  job.pad_top = op.window.pads[0];
  job.pad_left = op.window.pads[1];
  return {std::move(job), "AveragePool"};
}

NodeLowering::RowJob NodeLowering::JobOf(const ir::Pad& op, const Placed& in, const ImageLayout& out, int64_t) const {
  ChannelTaps taps = OwnChannel(out.channels, {1, 1});
  for (int64_t& source : taps.sources) {
    source -= op.before[0];
    if (source >= in.layout.channels) source = -1;
    source = std::max<int64_t>(source, -1);
  }
  ConvJob job = PointJob(taps, in, out.slots);
  job.rows = IdentityConstants(out.channels);
  for (size_t row = 0; row < job.rows.size(); ++row) {
    if (taps.sources[row] < 0) job.rows[row].b = InType().zero_point;
  }
  job.pad_top = OfAxis(op.before, 1, 0);
  job.pad_left = OfAxis(op.before, 2, 0);
  job.pad_code = InType().zero_point;
  return {std::move(job), "Pad"};
}

NodeLowering::RowJob NodeLowering::JobOf(const ir::Slice& op, const Placed& in, const ImageLayout& out, int64_t) const {
  ChannelTaps taps = OwnChannel(out.channels, {1, 1});
  for (int64_t& source : taps.sources) source = op.starts[0] + source * op.steps[0];
  ConvJob job = PointJob(taps, in, out.slots);
  job.rows = IdentityConstants(out.channels);
  job.strides = {OfAxis(op.steps, 1, 1), OfAxis(op.steps, 2, 1)};
  job.pad_top = -OfAxis(op.starts, 1, 0);
  job.pad_left = -OfAxis(op.starts, 2, 0);
  return {std::move(job), "Slice"};
}

std::unique_ptr<RowOperator> NodeLowering::MakeConcatRows(const ir::Concat& op, std::span<const Placed> in,
                                                          const ImageLayout& out) const {
  if (op.axis == 0) return MakeConcatChannelRows(FirstGroups(LayoutsOf(in)), state_.builder());
  std::vector<PixelOperand> operands;
  for (size_t i = 0; i < in.size(); ++i) {
    const ImageShape shape(state_.Type(node_.inputs[i]).shape);
    PixelOperand operand{.height = shape.height, .width = shape.width, .order = nullptr};
    if (in[i].layout.slots != out.slots) {
      ConvJob job = PointJob(OwnChannel(shape.channels, {1, 1}), in[i], out.slots);
      job.rows = IdentityConstants(shape.channels);
      job.out_height = shape.height;
      job.out_width = shape.width;
      operand.order = MakeConvRows(job, in[i].layout, out, state_.builder());
    }
    operands.push_back(std::move(operand));
  }
  const bool below = op.axis == 1 && InType().shape.size() == 3;
  return MakeConcatPixelRows(below, std::move(operands), state_.builder());
}

}  // namespace msq::fpga
