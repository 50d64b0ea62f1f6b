// ONNX handlers: Conv, Gemm, MatMul, BatchNormalization and pooling.
#include <algorithm>
#include <cmath>

#include "model/ir/shape_inference.h"
#include "model/numerics/requantize.h"
#include "quantizer/onnx_builder.h"

namespace msq::quantizer {
namespace {

using Dims = std::vector<int64_t>;

// Kernel, strides, dilations and pads of a 2-D window. ceil_mode becomes padding at the end.
struct WindowAttributes {
  ir::Window window;
  bool grown_by_ceil = false;
};

absl::Status ReadPair(const OnnxNode& node, std::string_view name, std::array<int64_t, 2>& out) {
  MSQ_ASSIGN_OR_RETURN(const Dims values, node.Ints(name, {out[0], out[1]}));
  if (values.size() != 2) {
    return node.Unsupported("attribute '", std::string(name), "' has ", values.size(),
                            " values; only two-dimensional windows are executed");
  }
  for (int i = 0; i < 2; ++i) {
    if (values[i] < 1 || values[i] > ir::kMaxDimension) {
      return node.Invalid("attribute '", std::string(name), "' holds ", values[i]);
    }
    out[i] = values[i];
  }
  return absl::OkStatus();
}

absl::Status ReadPads(const OnnxNode& node, const std::array<int64_t, 2>& image, ir::Window& window) {
  MSQ_ASSIGN_OR_RETURN(const std::string auto_pad, node.String("auto_pad", "NOTSET"));
  if (auto_pad == "VALID") return absl::OkStatus();
  if (auto_pad == "NOTSET" || auto_pad.empty()) {
    MSQ_ASSIGN_OR_RETURN(const Dims pads, node.Ints("pads", {0, 0, 0, 0}));
    if (pads.size() != 4) return node.Invalid("attribute 'pads' has ", pads.size(), " values instead of 4");
    for (int64_t pad : pads) {
      if (pad < 0 || pad > ir::kMaxDimension) return node.Invalid("attribute 'pads' holds ", pad);
    }
    window.pads = {pads[0], pads[1], pads[2], pads[3]};
    return absl::OkStatus();
  }
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER") {
    return node.Invalid("attribute 'auto_pad' is '", auto_pad, "'");
  }
  for (int i = 0; i < 2; ++i) {
    const int64_t out = (image[i] + window.strides[i] - 1) / window.strides[i];
    const int64_t reach = (out - 1) * window.strides[i] + (window.kernel[i] - 1) * window.dilations[i] + 1;
    const int64_t total = std::max<int64_t>(0, reach - image[i]);
    window.pads[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    window.pads[i + 2] = total - window.pads[i];
  }
  return absl::OkStatus();
}

absl::StatusOr<WindowAttributes> ReadWindow(const OnnxNode& node, const ir::Shape& input,
                                            std::array<int64_t, 2> kernel) {
  WindowAttributes result;
  ir::Window& window = result.window;
  window.kernel = kernel;
  MSQ_RETURN_IF_ERROR(ReadPair(node, "kernel_shape", window.kernel));
  MSQ_RETURN_IF_ERROR(ReadPair(node, "strides", window.strides));
  MSQ_RETURN_IF_ERROR(ReadPair(node, "dilations", window.dilations));
  const std::array<int64_t, 2> image = {input[1], input[2]};
  MSQ_RETURN_IF_ERROR(ReadPads(node, image, window));
  MSQ_ASSIGN_OR_RETURN(const int64_t ceil_mode, node.Int("ceil_mode", 0));
  for (int i = 0; i < 2; ++i) {
    const int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    const int64_t room = image[i] + window.pads[i] + window.pads[i + 2] - reach;
    if (room < 0) {
      return node.Invalid("its window of ", reach, " does not fit the image of ", image[i], " in dimension ", i + 2);
    }
    const int64_t rest = room % window.strides[i];
    // The last window must still start inside the image or its leading padding.
    if (ceil_mode != 0 && rest != 0 && room - rest + window.strides[i] < image[i] + window.pads[i]) {
      window.pads[i + 2] += window.strides[i] - rest;
      result.grown_by_ceil = true;
    }
  }
  return result;
}

// What the IR makes of the window: its limits hold before anything is executed.
absl::StatusOr<ir::Shape> OutputShape(const OnnxNode& node, const ir::Op& op, const ir::Shape& input) {
  auto shape = ir::InferShape(op, {&input, 1}, {});
  if (!shape.ok()) return node.Invalid(std::string(Message(shape.status())));
  return shape;
}

absl::StatusOr<View> ImageInput(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(View view, node.PlainInput(0));
  const size_t rank = node.builder().graph().shape(view.id).size();
  if (rank != 3) {
    return node.Unsupported("its input has ", rank + 1, " dimensions; images of 4 ([N,C,H,W]) are executed");
  }
  return view;
}

absl::Status ReadBias(OnnxNode& node, int index, int64_t rows, std::vector<float>& bias) {
  bias.assign(rows, 0.0f);
  if (!node.HasInput(index)) return absl::OkStatus();
  MSQ_ASSIGN_OR_RETURN(const HostTensor* tensor, node.Constant(index));
  if (!tensor->is_float || (tensor->size() != rows && tensor->size() != 1)) {
    return node.Invalid("its bias has ", tensor->size(), " elements where ", rows, " are expected");
  }
  for (int64_t i = 0; i < rows; ++i) bias[i] = tensor->floats[tensor->size() == 1 ? 0 : i];
  return absl::OkStatus();
}

absl::Status CheckFinite(const OnnxNode& node, const std::vector<float>& values) {
  for (float value : values) {
    if (!std::isfinite(value)) return node.Invalid("its weights contain NaN or infinity");
  }
  return absl::OkStatus();
}

absl::Status ImportConv(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, ImageInput(node));
  MSQ_ASSIGN_OR_RETURN(const HostTensor* weights, node.Constant(1));
  const ir::Shape input = node.builder().graph().shape(view.id);
  if (!weights->is_float || weights->dims.size() != 4) return node.Invalid("its weights are not a 4-D float tensor");
  Linear conv;
  MSQ_ASSIGN_OR_RETURN(conv.groups, node.Int("group", 1));
  conv.rows = weights->dims[0];
  conv.row_length = weights->dims[1] * weights->dims[2] * weights->dims[3];
  if (conv.groups < 1 || conv.rows < 1 || conv.row_length < 1 || conv.rows % conv.groups != 0 ||
      input[0] % conv.groups != 0 || input[0] / conv.groups != weights->dims[1]) {
    return node.Invalid("its weights [", conv.rows, ",", weights->dims[1], ",...] do not fit ", input[0],
                        " channels in ", conv.groups, " groups");
  }
  MSQ_ASSIGN_OR_RETURN(const WindowAttributes attributes,
                       ReadWindow(node, input, {weights->dims[2], weights->dims[3]}));
  if (attributes.window.kernel[0] != weights->dims[2] || attributes.window.kernel[1] != weights->dims[3]) {
    return node.Invalid("its kernel_shape disagrees with its weights");
  }
  conv.window = attributes.window;
  conv.weights = weights->floats;
  MSQ_RETURN_IF_ERROR(CheckFinite(node, conv.weights));
  MSQ_RETURN_IF_ERROR(ReadBias(node, 2, conv.rows, conv.bias));
  MSQ_RETURN_IF_ERROR(CheckFinite(node, conv.bias));
  conv.aliases = {node.name(), node.proto().input(1)};
  ir::Conv window_only{conv.window, conv.groups, {}, {}};
  window_only.weights.rows = conv.rows;
  window_only.weights.row_length = conv.row_length;
  MSQ_ASSIGN_OR_RETURN(const ir::Shape output, OutputShape(node, window_only, input));
  return node.Finish(std::move(conv), {view.id}, output);
}

// Emits rows x columns of `weights`, stored [rows, columns] or (columns_first) [columns, rows].
absl::Status FinishDense(OnnxNode& node, const View& view, const HostTensor& weights, bool columns_first, float gain,
                         int bias_index, float bias_gain) {
  if (!weights.is_float || weights.dims.size() != 2) return node.Invalid("its weights are not a 2-D float tensor");
  Linear dense;
  dense.dense = true;
  dense.rows = weights.dims[columns_first ? 1 : 0];
  dense.row_length = weights.dims[columns_first ? 0 : 1];
  const ir::Shape input = node.builder().graph().shape(view.id);
  if (dense.rows < 1 || input.size() != 1 || input[0] != dense.row_length) {
    return node.Invalid("its weights take ", dense.row_length, " inputs, but its input is ", ir::ToString(input));
  }
  std::vector<int64_t> order;
  if (view.is_flattened()) {
    order = FlattenedOrder(view);
  } else if (!view.is_plain()) {
    return node.Unsupported("its input is transposed over the batch");
  }
  dense.weights.resize(dense.rows * dense.row_length);
  for (int64_t r = 0; r < dense.rows; ++r) {
    for (int64_t k = 0; k < dense.row_length; ++k) {
      const int64_t column = order.empty() ? k : order[k];
      const int64_t source = columns_first ? column * dense.rows + r : r * dense.row_length + column;
      dense.weights[r * dense.row_length + k] = gain * weights.floats[source];
    }
  }
  MSQ_RETURN_IF_ERROR(CheckFinite(node, dense.weights));
  MSQ_RETURN_IF_ERROR(ReadBias(node, bias_index, dense.rows, dense.bias));
  for (float& bias : dense.bias) bias *= bias_gain;
  MSQ_RETURN_IF_ERROR(CheckFinite(node, dense.bias));
  dense.aliases = {node.name(), node.proto().input(1)};
  const int64_t rows = dense.rows;
  return node.Finish(std::move(dense), {view.id}, {rows});
}

absl::Status ImportGemm(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const HostTensor* weights, node.Constant(1));
  MSQ_ASSIGN_OR_RETURN(const int64_t trans_a, node.Int("transA", 0));
  MSQ_ASSIGN_OR_RETURN(const int64_t trans_b, node.Int("transB", 0));
  MSQ_ASSIGN_OR_RETURN(const float alpha, node.Float("alpha", 1.0f));
  MSQ_ASSIGN_OR_RETURN(const float beta, node.Float("beta", 1.0f));
  if (trans_a != 0) return node.Unsupported("transA = 1 multiplies across the batch");
  return FinishDense(node, view, *weights, trans_b == 0, alpha, 2, beta);
}

absl::Status ImportMatMul(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  if (!node.IsConstant(1)) {
    return node.Unsupported("both operands are computed; only products with constant weights are executed");
  }
  MSQ_ASSIGN_OR_RETURN(const HostTensor* weights, node.Constant(1));
  return FinishDense(node, view, *weights, true, 1.0f, 99, 1.0f);
}

absl::Status ImportBatchNormalization(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  const ir::Shape shape = node.builder().graph().shape(view.id);
  const bool channels_second = view.perm.size() >= 2 && view.perm[0] == 0 && view.perm[1] == 1;
  if (view.is_flattened() || !channels_second) return node.Unsupported("its channels are not dimension 1");
  MSQ_ASSIGN_OR_RETURN(const int64_t training, node.Int("training_mode", 0));
  if (training != 0) return node.Unsupported("is in training mode; call model.eval() before exporting");
  MSQ_ASSIGN_OR_RETURN(const float epsilon, node.Float("epsilon", 1e-5f));
  const HostTensor* parameters[4];
  for (int i = 0; i < 4; ++i) {
    MSQ_ASSIGN_OR_RETURN(parameters[i], node.Constant(i + 1));
    if (!parameters[i]->is_float || parameters[i]->size() != shape[0]) {
      return node.Invalid("input ", i + 1, " has ", parameters[i]->size(), " elements for ", shape[0], " channels");
    }
  }
  Affine affine;
  for (int64_t c = 0; c < shape[0]; ++c) {
    const float gain = parameters[0]->floats[c] / std::sqrt(parameters[3]->floats[c] + epsilon);
    affine.scale.push_back(gain);
    affine.shift.push_back(parameters[1]->floats[c] - parameters[2]->floats[c] * gain);
    if (!std::isfinite(gain) || !std::isfinite(affine.shift.back()))
      return node.Invalid("channel ", c, " is not finite");
  }
  const ValueId id = node.builder().Emit(node.name(), std::move(affine), {view.id}, shape);
  View result = view;
  result.id = id;
  return node.FinishView(result);
}

absl::Status ImportMaxPool(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, ImageInput(node));
  const ir::Shape input = node.builder().graph().shape(view.id);
  if (!node.HasAttribute("kernel_shape")) return node.Invalid("attribute 'kernel_shape' is missing");
  if (node.proto().output_size() > 1 && !node.proto().output(1).empty()) {
    return node.Unsupported("its second output (indices) is not computed");
  }
  MSQ_ASSIGN_OR_RETURN(const WindowAttributes attributes, ReadWindow(node, input, {1, 1}));
  const ir::MaxPool pool{attributes.window};
  MSQ_ASSIGN_OR_RETURN(const ir::Shape output, OutputShape(node, pool, input));
  return node.Finish(pool, {view.id}, output);
}

absl::Status ImportAveragePool(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, ImageInput(node));
  const ir::Shape input = node.builder().graph().shape(view.id);
  if (!node.HasAttribute("kernel_shape")) return node.Invalid("attribute 'kernel_shape' is missing");
  MSQ_ASSIGN_OR_RETURN(const WindowAttributes attributes, ReadWindow(node, input, {1, 1}));
  MSQ_ASSIGN_OR_RETURN(const int64_t count_include_pad, node.Int("count_include_pad", 0));
  if (attributes.window.dilations != std::array<int64_t, 2>{1, 1}) return node.Unsupported("dilated average pooling");
  const bool padded = attributes.window.pads != std::array<int64_t, 4>{0, 0, 0, 0};
  if (attributes.grown_by_ceil && count_include_pad != 0) {
    return node.Unsupported("ceil_mode together with count_include_pad");
  }
  ir::AveragePool pool;
  pool.window = attributes.window;
  pool.count_include_pad = count_include_pad != 0 || !padded;
  MSQ_ASSIGN_OR_RETURN(const ir::Shape output, OutputShape(node, pool, input));
  const int64_t taps = pool.window.kernel[0] * pool.window.kernel[1];
  if (taps * numerics::MaxCode(8) >= numerics::kAccumulatorLimit) {
    return node.Unsupported("its window averages ", taps, " values, whose sum may reach 2^23");
  }
  return node.Finish(std::move(pool), {view.id}, output);
}

absl::Status ImportGlobalAveragePool(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, ImageInput(node));
  const ir::Shape input = node.builder().graph().shape(view.id);
  return node.Finish(ir::GlobalAveragePool{}, {view.id}, {input[0], 1, 1});
}

}  // namespace

const std::map<std::string_view, OnnxHandler>& LayerHandlers() {
  static const std::map<std::string_view, OnnxHandler> handlers = {
      {"Conv", ImportConv},
      {"Gemm", ImportGemm},
      {"MatMul", ImportMatMul},
      {"BatchNormalization", ImportBatchNormalization},
      {"MaxPool", ImportMaxPool},
      {"AveragePool", ImportAveragePool},
      {"GlobalAveragePool", ImportGlobalAveragePool},
  };
  return handlers;
}

}  // namespace msq::quantizer
