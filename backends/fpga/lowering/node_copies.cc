// The operators that move codes: pooling, concatenation, upsampling, reshaping, padding and slicing.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "backends/fpga/lowering/node_lowering.h"
#include "backends/fpga/lowering/vec_lowering.h"
#include "base/status.h"

namespace msq::fpga {

absl::Status NodeLowering::operator()(const ir::MaxPool& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  const ImageShape shape(OutType().shape);
  MSQ_ASSIGN_OR_RETURN(Placed out,
                       state_.TakeOutput(node_.output, state_.MakeLayout(OutType(), shape, in.layout.slots)));
  LayerRecord record = NewRecord("MaxPool");
  MSQ_RETURN_IF_ERROR(EmitMaxPool(op.window, in.layout.height, in, out, 0, shape.height, state_.builder(), &record));
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

absl::Status NodeLowering::operator()(const ir::ResizeNearest& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_ASSIGN_OR_RETURN(
      Placed out,
      state_.TakeOutput(node_.output, state_.MakeLayout(OutType(), ImageShape(OutType().shape), in.layout.slots)));
  LayerRecord record = NewRecord("ResizeNearest");
  MSQ_RETURN_IF_ERROR(EmitResize(op.factors, in, out, 0, out.layout.height, state_.builder(), &record));
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

absl::Status NodeLowering::CheckPlain(const Placed& placed, const ir::TensorType& type) const {
  const ImageShape shape(type.shape);
  if (type.shape.size() <= 3 && placed.layout.channels == shape.channels && placed.layout.height == shape.height &&
      placed.layout.width == shape.width) {
    return absl::OkStatus();
  }
  return Unimplemented("tensor ", ir::ToString(type.shape), " does not lie as an image of its own shape");
}

// The same image in another order, by an identity convolution.
absl::StatusOr<Placed> NodeLowering::WithSlots(const Placed& in, const std::vector<int64_t>& slots,
                                               LayerRecord* record) {
  if (in.layout.slots == slots) return in;
  ConvJob job = ChannelwiseJob(OwnChannel(in.layout.channels, {1, 1}), in.layout, slots, TileOf(in));
  job.rows = IdentityConstants(in.layout.channels);
  job.out_height = in.layout.height;
  job.out_width = in.layout.width;
  const ImageShape shape(in.layout.channels, in.layout.height, in.layout.width);
  MSQ_ASSIGN_OR_RETURN(Placed out, state_.Take(state_.MakeLayout(OutType(), shape, slots)));
  ConvLowering conv(job, in.layout, out.layout, state_.builder());
  MSQ_RETURN_IF_ERROR(conv.EmitRows(in, out, nullptr, 0, in.layout.height));
  conv.AddTo(record);
  return out;
}

absl::Status NodeLowering::operator()(const ir::Concat& op) {
  std::vector<Placed> parts;
  for (ir::TensorId id : node_.inputs) {
    MSQ_ASSIGN_OR_RETURN(Placed part, state_.Get(id));
    MSQ_RETURN_IF_ERROR(CheckPlain(part, state_.Type(id)));
    parts.push_back(std::move(part));
  }
  LayerRecord record = NewRecord("Concat");
  MSQ_ASSIGN_OR_RETURN(Placed out, op.axis == 0 ? ConcatChannels(parts, &record) : ConcatPixels(op, parts, &record));
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(out));
  return absl::OkStatus();
}

// Operands stand one after the other in whole words; the slots between them stay empty.
absl::StatusOr<Placed> NodeLowering::ConcatChannels(const std::vector<Placed>& parts, LayerRecord* record) {
  MSQ_ASSIGN_OR_RETURN(GraphLowering::ConcatPlan plan, state_.PlanConcat(node_));
  bool fits = true;
  for (size_t i = 0; i < parts.size(); ++i) fits = fits && parts[i].layout.groups() <= plan.groups[i];
  std::vector<int64_t> slots;
  int64_t end = 0;  // groups, if an operand with empty slots of its own needs more than its place
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!fits) plan.first[i] = end;
    for (int64_t slot : parts[i].layout.slots) slots.push_back(plan.first[i] * kWordChannels + slot);
    end += parts[i].layout.groups();
  }
  const ImageShape shape(OutType().shape);
  if (fits) {
    plan.out.layout.slots = slots;
  } else {
    MSQ_ASSIGN_OR_RETURN(plan.out, state_.Take(state_.MakeLayout(OutType(), shape, slots)));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t base = plan.out.base + plan.first[i] * plan.out.layout.group_words();
    if (parts[i].region == plan.out.region && parts[i].base == base) continue;  // computed where it belongs
    const ImageCopy copy = {.height = shape.height, .width = shape.width, .to_group = plan.first[i]};
    MSQ_RETURN_IF_ERROR(EmitCopy(copy, parts[i], plan.out, state_.builder(), record));
  }
  return plan.out;
}

absl::StatusOr<Placed> NodeLowering::ConcatPixels(const ir::Concat& op, const std::vector<Placed>& parts,
                                                  LayerRecord* record) {
  const std::vector<int64_t>& slots = parts[0].layout.slots;
  MSQ_ASSIGN_OR_RETURN(
      Placed out, state_.TakeOutput(node_.output, state_.MakeLayout(OutType(), ImageShape(OutType().shape), slots)));
  const bool below = op.axis == 1 && InType().shape.size() == 3;
  ImageCopy copy;
  for (const Placed& part : parts) {
    copy.height = part.layout.height;
    copy.width = part.layout.width;
    MSQ_ASSIGN_OR_RETURN(const Placed ordered, WithSlots(part, slots, record));
    MSQ_RETURN_IF_ERROR(EmitCopy(copy, ordered, out, state_.builder(), record));
    (below ? copy.to_y : copy.to_x) += below ? part.layout.height : part.layout.width;
  }
  return out;
}

absl::Status NodeLowering::operator()(const ir::Reshape&) {
  const ir::TensorId id = node_.inputs[0];
  if (state_.IsUnseenInput(id)) {
    state_.RenameInput(id, node_.output);
    return absl::OkStatus();
  }
  MSQ_ASSIGN_OR_RETURN(Placed placed, state_.Get(id));
  const ir::Shape& to = OutType().shape;
  const ImageShape shape(to);
  if (shape.channels == placed.layout.channels) {
    placed.layout.height = shape.height;
    placed.layout.width = shape.width;
  } else if (to.size() != 1) {
    return Unimplemented("reshape from ", ir::ToString(InType().shape), " to ", ir::ToString(to), " moves channels");
  }
  // A flattened image stays as it is: Dense reads it as a window, and the host counts its elements alike.
  state_.Put(node_.output, std::move(placed));
  return absl::OkStatus();
}

namespace {

// Attributes of Pad and Slice by axis of the image.
int64_t OfAxis(const std::vector<int64_t>& values, size_t axis, int64_t otherwise) {
  const size_t rank = values.size();  // 1: channels; 2: channels, width; 3: channels, height, width
  if (axis == 0) return values[0];
  if (axis == 1) return rank == 3 ? values[1] : otherwise;
  return rank >= 2 ? values[rank - 1] : otherwise;
}

}  // namespace

absl::Status NodeLowering::operator()(const ir::Pad& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_RETURN_IF_ERROR(CheckPlain(in, InType()));
  const ImageShape shape(OutType().shape);
  ChannelTaps taps = OwnChannel(shape.channels, {1, 1});
  for (int64_t& source : taps.sources) {
    source -= op.before[0];
    if (source >= in.layout.channels) source = -1;
    source = std::max<int64_t>(source, -1);
  }
  const std::vector<int64_t> slots = state_.order().Choose(node_.output, shape.channels);
  ConvJob job = ChannelwiseJob(taps, in.layout, slots, TileOf(in));
  job.rows = IdentityConstants(shape.channels);
  for (size_t row = 0; row < job.rows.size(); ++row) {
    if (taps.sources[row] < 0) job.rows[row].b = InType().zero_point;
  }
  job.pad_top = OfAxis(op.before, 1, 0);
  job.pad_left = OfAxis(op.before, 2, 0);
  job.pad_code = InType().zero_point;
  return EmitJob(std::move(job), in, std::nullopt, shape, slots, NewRecord("Pad"));
}

absl::Status NodeLowering::operator()(const ir::Slice& op) {
  MSQ_ASSIGN_OR_RETURN(const Placed in, state_.Get(node_.inputs[0]));
  MSQ_RETURN_IF_ERROR(CheckPlain(in, InType()));
  const ImageShape shape(OutType().shape);
  ChannelTaps taps = OwnChannel(shape.channels, {1, 1});
  for (int64_t& source : taps.sources) source = op.starts[0] + source * op.steps[0];
  const std::vector<int64_t> slots = state_.order().Choose(node_.output, shape.channels);
  ConvJob job = ChannelwiseJob(taps, in.layout, slots, TileOf(in));
  job.rows = IdentityConstants(shape.channels);
  job.strides = {OfAxis(op.steps, 1, 1), OfAxis(op.steps, 2, 1)};
  job.pad_top = -OfAxis(op.starts, 1, 0);
  job.pad_left = -OfAxis(op.starts, 2, 0);
  return EmitJob(std::move(job), in, std::nullopt, shape, slots, NewRecord("Slice"));
}

absl::Status NodeLowering::operator()(const ir::Recurrent&) {
  return Unimplemented("recurrent layers");
}

}  // namespace msq::fpga
