// ONNX handlers: activations, and arithmetic between two values or between a value and a constant.
#include <algorithm>
#include <cmath>

#include "quantizer/onnx_builder.h"

namespace msq::quantizer {
namespace {

absl::Status FinishSameShape(OnnxNode& node, const View& view, FloatOp op) {
  const ir::Shape shape = node.builder().graph().shape(view.id);
  View result = view;
  result.id = node.builder().Emit(node.name(), std::move(op), {view.id}, shape);
  return node.FinishView(result);
}

absl::Status ImportRelu(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  return FinishSameShape(node, view, Activation{.slope = 0.0f, .low = 0.0f});
}

absl::Status CheckSlope(const OnnxNode& node, float slope) {
  if (slope >= 0.0f && slope <= 1.0f) return absl::OkStatus();
  return node.Unsupported("its slope ", slope, " is outside [0, 1]");
}

absl::Status ImportLeakyRelu(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const float slope, node.Float("alpha", 0.01f));
  MSQ_RETURN_IF_ERROR(CheckSlope(node, slope));
  return FinishSameShape(node, view, Activation{.slope = slope});
}

absl::Status ImportPRelu(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const HostTensor* slopes, node.Constant(1));
  if (!slopes->is_float || slopes->floats.empty()) return node.Invalid("its slopes are not floats");
  const auto [low, high] = std::minmax_element(slopes->floats.begin(), slopes->floats.end());
  if (*low != *high) {
    return node.Unsupported("its slope differs between channels; train with one slope (nn.PReLU()) or use LeakyReLU");
  }
  MSQ_RETURN_IF_ERROR(CheckSlope(node, *low));
  return FinishSameShape(node, view, Activation{.slope = *low});
}

// A bound is an attribute up to opset 10 and an optional input from 11 on.
absl::StatusOr<float> ReadBound(OnnxNode& node, int index, std::string_view attribute, float otherwise) {
  if (node.opset() < 11) return node.Float(attribute, otherwise);
  if (!node.HasInput(index)) return otherwise;
  MSQ_ASSIGN_OR_RETURN(const HostTensor* tensor, node.Constant(index));
  if (tensor->size() != 1) return node.Invalid("its bound '", std::string(attribute), "' is not a single number");
  return tensor->FloatAt(0);
}

absl::Status ImportClip(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  Activation clip;
  MSQ_ASSIGN_OR_RETURN(clip.low, ReadBound(node, 1, "min", clip.low));
  MSQ_ASSIGN_OR_RETURN(clip.high, ReadBound(node, 2, "max", clip.high));
  if (!(clip.low <= 0.0f && clip.high >= 0.0f)) {
    return node.Unsupported("its range [", clip.low, ", ", clip.high, "] does not contain 0");
  }
  if (clip.low == 0.0f) clip.slope = 0.0f;
  return FinishSameShape(node, view, clip);
}

// Spreads a constant over the channels of `view`: one number, or one per element of the first dimension.
absl::StatusOr<std::vector<float>> PerChannel(OnnxNode& node, const View& view, const HostTensor& constant) {
  const ir::Shape& shape = node.builder().graph().shape(view.id);
  const int64_t channels = shape.empty() ? 1 : shape[0];
  if (constant.size() == 1) return std::vector<float>(channels, constant.FloatAt(0));
  const int offset = static_cast<int>(view.perm.size()) - static_cast<int>(constant.dims.size());
  int wide = -1, wide_count = 0;
  for (size_t i = 0; i < constant.dims.size(); ++i) {
    if (constant.dims[i] == 1) continue;
    wide = static_cast<int>(i) + offset;
    ++wide_count;
  }
  if (offset < 0 || wide_count != 1 || wide < 0 || view.perm[wide] != 1 || constant.size() != channels) {
    return node.Unsupported("its constant of ", constant.size(), " elements is not one number per channel (", channels,
                            " channels)");
  }
  std::vector<float> values(channels);
  const std::vector<int64_t> order = view.is_flattened() ? FlattenedOrder(view) : std::vector<int64_t>();
  for (int64_t c = 0; c < channels; ++c) values[c] = constant.FloatAt(order.empty() ? c : order[c]);
  return values;
}

// value (op) constant, or constant (op) value when `constant_first`.
absl::Status FinishWithConstant(OnnxNode& node, const View& view, const HostTensor& constant, bool constant_first) {
  MSQ_ASSIGN_OR_RETURN(std::vector<float> values, PerChannel(node, view, constant));
  Affine affine;
  affine.scale.assign(values.size(), 1.0f);
  affine.shift.assign(values.size(), 0.0f);
  for (size_t c = 0; c < values.size(); ++c) {
    if (node.op() == "Add" || node.op() == "Sum") {
      affine.shift[c] = values[c];
    } else if (node.op() == "Sub") {
      affine.scale[c] = constant_first ? -1.0f : 1.0f;
      affine.shift[c] = constant_first ? values[c] : -values[c];
    } else if (node.op() == "Mul") {
      affine.scale[c] = values[c];
    } else if (constant_first) {
      return node.Unsupported("divides by a computed value");
    } else {
      affine.scale[c] = 1.0f / values[c];
    }
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c]))
      return node.Invalid("its constant is not finite");
  }
  return FinishSameShape(node, view, std::move(affine));
}

float Apply(std::string_view op, float a, float b) {
  if (op == "Add" || op == "Sum") return a + b;
  if (op == "Sub") return a - b;
  return op == "Mul" ? a * b : a / b;
}

int64_t Apply(std::string_view op, int64_t a, int64_t b) {  // wraps instead of overflowing
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  if (op == "Add" || op == "Sum") return static_cast<int64_t>(ua + ub);
  if (op == "Sub") return static_cast<int64_t>(ua - ub);
  if (op == "Mul") return static_cast<int64_t>(ua * ub);
  return b == 0 || b == -1 ? static_cast<int64_t>(b == 0 ? 0 : 0 - ua) : a / b;
}

// The strides with which an operand of `dims` is read for a result of `rank` dimensions; 0 where it is broadcast.
std::vector<int64_t> BroadcastStrides(const std::vector<int64_t>& dims, size_t rank) {
  std::vector<int64_t> strides(rank, 0);
  int64_t stride = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t dim = dims[dims.size() - 1 - i];
    strides[rank - 1 - i] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
  return strides;
}

absl::StatusOr<std::vector<int64_t>> BroadcastDims(const OnnxNode& node, const std::vector<int64_t>& a,
                                                   const std::vector<int64_t>& b, int64_t room) {
  const size_t rank = std::max(a.size(), b.size());
  std::vector<int64_t> dims(rank);
  int64_t count = 1;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1, db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      return node.Invalid("its constants have shapes ", ir::ToString(a), " and ", ir::ToString(b),
                          ", which do not go together");
    }
    dims[rank - 1 - i] = std::max(da, db);
    if (dims[rank - 1 - i] > room / count) return node.Unsupported("computes too many constants");
    count *= dims[rank - 1 - i];
  }
  return dims;
}

// Shape arithmetic and the like: both operands constant, broadcast as numpy does.
absl::Status FoldBinary(OnnxNode& node, const HostTensor& a, const HostTensor& b) {
  if (a.size() == 0 || b.size() == 0) return node.Unsupported("computes with an empty constant");
  HostTensor result;
  MSQ_ASSIGN_OR_RETURN(result.dims, BroadcastDims(node, a.dims, b.dims, node.builder().folding_room()));
  result.is_float = a.is_float || b.is_float;
  const size_t rank = result.dims.size();
  const std::vector<int64_t> strides_a = BroadcastStrides(a.dims, rank), strides_b = BroadcastStrides(b.dims, rank);
  const int64_t size = ir::ElementCount(result.dims);
  for (int64_t i = 0; i < size; ++i) {
    int64_t ia = 0, ib = 0, flat = i;
    for (size_t d = rank; d-- > 0; flat /= result.dims[d]) {
      ia += flat % result.dims[d] * strides_a[d];
      ib += flat % result.dims[d] * strides_b[d];
    }
    if (result.is_float) {
      result.floats.push_back(Apply(node.op(), a.FloatAt(ia), b.FloatAt(ib)));
    } else {
      result.ints.push_back(Apply(node.op(), a.ints[ia], b.ints[ib]));
    }
  }
  return node.FinishConstant(std::move(result));
}

absl::Status ImportBinary(OnnxNode& node) {
  if (node.proto().input_size() != 2)
    return node.Unsupported("has ", node.proto().input_size(), " operands; 2 are executed");
  if (node.IsConstant(0) && node.IsConstant(1)) {
    MSQ_ASSIGN_OR_RETURN(const HostTensor* a, node.Constant(0));
    MSQ_ASSIGN_OR_RETURN(const HostTensor* b, node.Constant(1));
    return FoldBinary(node, *a, *b);
  }
  if (node.IsConstant(0) || node.IsConstant(1)) {
    const int constant_index = node.IsConstant(0) ? 0 : 1;
    MSQ_ASSIGN_OR_RETURN(const View view, node.Input(1 - constant_index));
    MSQ_ASSIGN_OR_RETURN(const HostTensor* constant, node.Constant(constant_index));
    return FinishWithConstant(node, view, *constant, constant_index == 0);
  }
  MSQ_ASSIGN_OR_RETURN(const View a, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const View b, node.Input(1));
  if (node.op() != "Add" && node.op() != "Sum") {
    return node.Unsupported(
        "combines two computed values; only Add does that. Gates such as squeeze-and-excitation or ",
        "swish have no 4-bit form here: train the network without them");
  }
  const FloatGraph& graph = node.builder().graph();
  if (graph.shape(a.id) != graph.shape(b.id) || a.perm != b.perm || a.flattened_perm != b.flattened_perm) {
    return node.Unsupported("its operands differ in shape: ", ir::ToString(graph.shape(a.id)), " and ",
                            ir::ToString(graph.shape(b.id)));
  }
  const ir::Shape shape = graph.shape(a.id);
  View result = a;
  result.id = node.builder().Emit(node.name(), Sum{}, {a.id, b.id}, shape);
  return node.FinishView(result);
}

}  // namespace

const std::map<std::string_view, OnnxHandler>& ElementwiseHandlers() {
  static const std::map<std::string_view, OnnxHandler> handlers = {
      {"Relu", ImportRelu},  {"LeakyRelu", ImportLeakyRelu}, {"PRelu", ImportPRelu},
      {"Clip", ImportClip},  {"Add", ImportBinary},          {"Sum", ImportBinary},
      {"Sub", ImportBinary}, {"Mul", ImportBinary},          {"Div", ImportBinary},
  };
  return handlers;
}

}  // namespace msq::quantizer
