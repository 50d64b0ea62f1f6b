#include "model/ir/shape_inference.h"

#include <string_view>

#include "base/status.h"

namespace msq::ir {
namespace {

constexpr int64_t kMaxWindow = 1 << 12;  // of a kernel, stride, pad or dilation

absl::Status CheckRange(std::string_view what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidArgument(absl::string_view(what.data(), what.size()), " ", value, " is outside ", low, "..", high);
}

absl::Status CheckInputCount(std::span<const Shape> inputs, size_t low, size_t high) {
  if (inputs.size() >= low && inputs.size() <= high) return absl::OkStatus();
  return InvalidArgument("has ", inputs.size(), " inputs, takes ", low, low == high ? "" : absl::StrCat(" to ", high));
}

absl::Status CheckImage(const Shape& shape) {
  if (shape.size() == 3) return absl::OkStatus();
  return InvalidArgument("input shape ", ToString(shape), " is not [channels,height,width]");
}

absl::Status CheckSkip(std::span<const Shape> inputs, const Shape& output) {
  if (inputs.size() < 2 || inputs[1] == output) return absl::OkStatus();
  return InvalidArgument("second input ", ToString(inputs[1]), " differs from the output ", ToString(output));
}

// Output length along one spatial axis (0 height, 1 width) of a sliding window.
absl::StatusOr<int64_t> WindowLength(const Window& window, int axis, int64_t input) {
  const auto a = static_cast<size_t>(axis);
  const int64_t kernel = window.kernel[a], stride = window.strides[a], dilation = window.dilations[a];
  const int64_t before = window.pads[a], after = window.pads[a + 2];
  MSQ_RETURN_IF_ERROR(CheckRange("kernel", kernel, 1, kMaxWindow));
  MSQ_RETURN_IF_ERROR(CheckRange("stride", stride, 1, kMaxWindow));
  MSQ_RETURN_IF_ERROR(CheckRange("dilation", dilation, 1, kMaxWindow));
  MSQ_RETURN_IF_ERROR(CheckRange("pad", before, 0, kMaxWindow));
  MSQ_RETURN_IF_ERROR(CheckRange("pad", after, 0, kMaxWindow));
  const int64_t span = (kernel - 1) * dilation + 1;
  const int64_t padded = input + before + after;
  if (padded < span) return InvalidArgument("window of ", span, " does not fit a padded length of ", padded);
  return (padded - span) / stride + 1;
}

absl::StatusOr<Shape> WindowShape(const Window& window, const Shape& input, int64_t channels) {
  MSQ_RETURN_IF_ERROR(CheckImage(input));
  MSQ_ASSIGN_OR_RETURN(const int64_t height, WindowLength(window, 0, input[1]));
  MSQ_ASSIGN_OR_RETURN(const int64_t width, WindowLength(window, 1, input[2]));
  return Shape{channels, height, width};
}

// Pooling windows must touch the image, so that a maximum and an average of valid taps exist.
absl::Status CheckPoolWindow(const Window& window) {
  for (size_t axis : {0, 1}) {
    const int64_t span = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
    const int64_t gap = window.dilations[axis] - 1;  // taps may straddle the image when dilated
    if (window.pads[axis] >= span || window.pads[axis + 2] >= span || (gap > 0 && window.pads[axis] > 0)) {
      return InvalidArgument("pool padding ", window.pads[axis], "/", window.pads[axis + 2], " lets a window of ",
                             window.kernel[axis], " miss the image");
    }
  }
  return absl::OkStatus();
}

// One overload an operator.
struct Inference {
  std::span<const Shape> in;
  const Shape& declared;

  absl::StatusOr<Shape> operator()(const Conv& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 2));
    MSQ_ASSIGN_OR_RETURN(Shape out, WindowShape(op.window, in[0], op.weights.rows));
    const int64_t channels = in[0][0];
    if (op.groups < 1 || channels % op.groups != 0 || op.weights.rows % op.groups != 0) {
      return InvalidArgument("groups ", op.groups, " divides not both ", channels, " channels and ", op.weights.rows,
                             " rows");
    }
    if (op.groups > kMaxGroups && op.groups != channels) {
      return InvalidArgument("groups ", op.groups, " exceed ", kMaxGroups);
    }
    const int64_t row_length = channels / op.groups * op.window.kernel[0] * op.window.kernel[1];
    if (op.weights.row_length != row_length) {
      return InvalidArgument("weights have rows of ", op.weights.row_length, ", the window takes ", row_length);
    }
    MSQ_RETURN_IF_ERROR(CheckSkip(in, out));
    return out;
  }

  absl::StatusOr<Shape> operator()(const Dense& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 2));
    if (in[0].size() != 1 || in[0][0] != op.weights.row_length) {
      return InvalidArgument("input shape ", ToString(in[0]), " is not [", op.weights.row_length, "]");
    }
    Shape out = {op.weights.rows};
    MSQ_RETURN_IF_ERROR(CheckSkip(in, out));
    return out;
  }

  absl::StatusOr<Shape> operator()(const Add&) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 2, 2));
    MSQ_RETURN_IF_ERROR(CheckSkip(in, in[0]));
    return in[0];
  }

  absl::StatusOr<Shape> operator()(const Rescale&) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    return in[0];
  }

  absl::StatusOr<Shape> operator()(const MaxPool& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    MSQ_ASSIGN_OR_RETURN(Shape out, WindowShape(op.window, in[0], in[0][0]));
    MSQ_RETURN_IF_ERROR(CheckPoolWindow(op.window));
    return out;
  }

  absl::StatusOr<Shape> operator()(const AveragePool& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    if (op.window.dilations != std::array<int64_t, 2>{1, 1}) return InvalidArgument("average pooling has no dilation");
    MSQ_ASSIGN_OR_RETURN(Shape out, WindowShape(op.window, in[0], in[0][0]));
    MSQ_RETURN_IF_ERROR(CheckPoolWindow(op.window));
    return out;
  }

  absl::StatusOr<Shape> operator()(const GlobalAveragePool&) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    MSQ_RETURN_IF_ERROR(CheckImage(in[0]));
    return Shape{in[0][0], 1, 1};
  }

  absl::StatusOr<Shape> operator()(const Concat& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1024));
    Shape out = in[0];
    MSQ_RETURN_IF_ERROR(CheckRange("axis", op.axis, 0, static_cast<int64_t>(out.size()) - 1));
    const auto axis = static_cast<size_t>(op.axis);
    for (size_t i = 1; i < in.size(); ++i) {
      Shape other = in[i];
      if (other.size() != out.size()) return InvalidArgument("input ", i, " has shape ", ToString(other));
      const int64_t length = other[axis];
      other[axis] = in[0][axis];
      if (other != in[0])
        return InvalidArgument("input ", i, " has shape ", ToString(in[i]), " beside ", ToString(in[0]));
      out[axis] += length;
    }
    return out;
  }

  absl::StatusOr<Shape> operator()(const ResizeNearest& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    MSQ_RETURN_IF_ERROR(CheckImage(in[0]));
    MSQ_RETURN_IF_ERROR(CheckRange("factor", op.factors[0], 1, kMaxWindow));
    MSQ_RETURN_IF_ERROR(CheckRange("factor", op.factors[1], 1, kMaxWindow));
    return Shape{in[0][0], in[0][1] * op.factors[0], in[0][2] * op.factors[1]};
  }

  absl::StatusOr<Shape> operator()(const Reshape&) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    MSQ_RETURN_IF_ERROR(CheckShape(declared));
    if (ElementCount(declared) != ElementCount(in[0])) {
      return InvalidArgument("cannot reshape ", ToString(in[0]), " to ", ToString(declared));
    }
    return declared;
  }

  absl::StatusOr<Shape> operator()(const Pad& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    Shape out = in[0];
    if (op.before.size() != out.size() || op.after.size() != out.size()) {
      return InvalidArgument("has ", op.before.size(), "/", op.after.size(), " pads for shape ", ToString(out));
    }
    for (size_t i = 0; i < out.size(); ++i) {
      MSQ_RETURN_IF_ERROR(CheckRange("pad", op.before[i], 0, kMaxDimension));
      MSQ_RETURN_IF_ERROR(CheckRange("pad", op.after[i], 0, kMaxDimension));
      out[i] += op.before[i] + op.after[i];
    }
    return out;
  }

  absl::StatusOr<Shape> operator()(const Slice& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    Shape out = in[0];
    if (op.starts.size() != out.size() || op.ends.size() != out.size() || op.steps.size() != out.size()) {
      return InvalidArgument("starts, ends and steps do not match shape ", ToString(out));
    }
    for (size_t i = 0; i < out.size(); ++i) {
      MSQ_RETURN_IF_ERROR(CheckRange("step", op.steps[i], 1, kMaxDimension));
      MSQ_RETURN_IF_ERROR(CheckRange("start", op.starts[i], 0, out[i] - 1));
      MSQ_RETURN_IF_ERROR(CheckRange("end", op.ends[i], op.starts[i] + 1, out[i]));
      out[i] = (op.ends[i] - op.starts[i] + op.steps[i] - 1) / op.steps[i];
    }
    return out;
  }

  absl::StatusOr<Shape> operator()(const Recurrent& op) const {
    MSQ_RETURN_IF_ERROR(CheckInputCount(in, 1, 1));
    if (in[0].size() != 2) return InvalidArgument("input shape ", ToString(in[0]), " is not [time,features]");
    MSQ_RETURN_IF_ERROR(CheckRange("hidden_size", op.hidden_size, 1, 1 << 16));
    const int64_t directions = op.direction == Recurrent::Direction::kBidirectional ? 2 : 1;
    const int64_t rows = directions * (op.cell == Recurrent::Cell::kLstm ? 4 : 3) * op.hidden_size;
    if (op.input_weights.rows != rows || op.input_weights.row_length != in[0][1] || op.recurrent_weights.rows != rows ||
        op.recurrent_weights.row_length != op.hidden_size || static_cast<int64_t>(op.biases.size()) != rows) {
      return InvalidArgument("weights and biases do not match ", rows, " gate rows of ", in[0][1], " and ",
                             op.hidden_size);
    }
    return Shape{in[0][0], directions * op.hidden_size};
  }
};

}  // namespace

absl::Status CheckShape(const Shape& shape) {
  if (shape.empty() || shape.size() > kMaxRank) {
    return InvalidArgument("shape has ", shape.size(), " dimensions, 1 to ", kMaxRank, " are supported");
  }
  int64_t count = 1;
  for (int64_t dimension : shape) {
    MSQ_RETURN_IF_ERROR(CheckRange("dimension", dimension, 1, kMaxDimension));
    count *= dimension;  // <= 2^26 * 2^20: no overflow
    if (count > kMaxElements)
      return InvalidArgument("shape ", ToString(shape), " has more than ", kMaxElements, " elements");
  }
  return absl::OkStatus();
}

absl::StatusOr<Shape> InferShape(const Op& op, std::span<const Shape> inputs, const Shape& declared) {
  for (const Shape& shape : inputs) MSQ_RETURN_IF_ERROR(CheckShape(shape));
  MSQ_ASSIGN_OR_RETURN(Shape out, std::visit(Inference{inputs, declared}, op));
  MSQ_RETURN_IF_ERROR(CheckShape(out));
  return out;
}

}  // namespace msq::ir
