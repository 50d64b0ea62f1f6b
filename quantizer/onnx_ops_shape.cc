// ONNX handlers that move elements of computed values: Reshape and its kin, Transpose, Concat, Slice, Split, Pad, Resize,
// ReduceMean. When the operand is a constant they are folded by onnx_ops_constant.cc.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/ir/shape_inference.h"
#include "quantizer/onnx_builder.h"

namespace msq::quantizer {
namespace {

using Dims = std::vector<int64_t>;

// Views `view` with new ONNX dims (batch first, all positive).
absl::Status FinishReshape(OnnxNode& node, const View& view, const Dims& dims) {
  OnnxBuilder& builder = node.builder();
  if (dims.empty() || dims[0] != builder.batch()) {
    return node.Unsupported("moves elements between the batch and other dimensions; dimension 0 must stay the batch");
  }
  const ir::Shape shape(dims.begin() + 1, dims.end());
  const Dims old_dims = builder.DimsOf(view);
  if (view.is_flattened()) {
    if (shape == builder.graph().shape(view.id)) return node.FinishView(view);
    return node.Unsupported("reshapes a flattened channels-last tensor");
  }
  const bool keeps_order = view.KeepsOrder(old_dims);
  if (!keeps_order && shape.size() != 1) {
    return node.Unsupported("reshapes a transposed tensor; export the network in NCHW");
  }
  View result;
  if (shape == builder.graph().shape(view.id)) {
    result = PlainView(builder.graph(), view.id);
  } else {
    result = PlainView(builder.graph(), builder.Emit(node.name(), ir::Reshape{}, {view.id}, shape));
  }
  if (!keeps_order) {
    result.flattened_dims.assign(old_dims.begin() + 1, old_dims.end());
    for (size_t i = 1; i < view.perm.size(); ++i) result.flattened_perm.push_back(view.perm[i] - 1);
  }
  return node.FinishView(std::move(result));
}

absl::Status ImportReshape(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(Dims target, node.ConstantInts(1));
  MSQ_ASSIGN_OR_RETURN(const Dims dims, ResolveReshape(node, target, node.builder().DimsOf(view)));
  return FinishReshape(node, view, dims);
}

absl::Status ImportFlatten(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  const Dims dims = node.builder().DimsOf(view);
  MSQ_ASSIGN_OR_RETURN(int64_t axis, node.Int("axis", 1));
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  if (axis < 0 || axis > static_cast<int64_t>(dims.size())) return node.Invalid("axis ", axis, " does not exist");
  Dims flat = {1, 1};
  for (size_t i = 0; i < dims.size(); ++i) flat[static_cast<int64_t>(i) < axis ? 0 : 1] *= dims[i];
  return FinishReshape(node, view, flat);
}

absl::Status ImportSqueeze(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const Dims dims, SqueezeDims(node, node.builder().DimsOf(view)));
  return FinishReshape(node, view, dims);
}

absl::Status ImportUnsqueeze(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const Dims dims, UnsqueezeDims(node, node.builder().DimsOf(view)));
  return FinishReshape(node, view, dims);
}

absl::Status ImportTranspose(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const Dims perm, ReadPermutation(node, view.perm.size()));
  if (view.is_flattened() || perm[0] != 0) return node.Unsupported("moves the batch dimension or a flattened tensor");
  View result = view;
  for (size_t i = 0; i < perm.size(); ++i) result.perm[i] = view.perm[perm[i]];
  return node.FinishView(std::move(result));
}

absl::Status ImportConcat(OnnxNode& node) {
  if (node.proto().input_size() < 1) return node.Invalid("has no inputs");
  MSQ_ASSIGN_OR_RETURN(const View first, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(int64_t axis, node.Int("axis", 1));
  MSQ_ASSIGN_OR_RETURN(axis, NormalizeAxis(node, axis, first.perm.size()));
  const int own_axis = first.perm[axis] - 1;
  if (own_axis < 0 || first.is_flattened())
    return node.Unsupported("joins along the batch or after a channels-last flatten");
  const FloatGraph& graph = node.builder().graph();
  ir::Shape shape = graph.shape(first.id);
  std::vector<ValueId> inputs = {first.id};
  for (int i = 1; i < node.proto().input_size(); ++i) {
    MSQ_ASSIGN_OR_RETURN(const View view, node.Input(i));
    ir::Shape other = graph.shape(view.id);
    if (view.perm != first.perm || view.is_flattened()) return node.Unsupported("its inputs differ in layout");
    shape[own_axis] += other[own_axis];
    other[own_axis] = shape[own_axis];
    if (other != shape) return node.Invalid("input ", i, " differs in shape outside the joined dimension");
    MSQ_RETURN_IF_ERROR(ir::CheckShape(shape));
    inputs.push_back(view.id);
  }
  View result = first;
  result.id = node.builder().Emit(node.name(), ir::Concat{own_axis}, inputs, shape);
  return node.FinishView(std::move(result));
}

// Emits the part starts/ends/steps (in the value's own dimensions) of `view`; nothing when that is all of it.
View EmitSlice(OnnxNode& node, const View& view, std::string_view name, const ir::Slice& slice) {
  const ir::Shape input = node.builder().graph().shape(view.id);
  ir::Shape shape;
  for (size_t i = 0; i < input.size(); ++i) {
    shape.push_back((slice.ends[i] - slice.starts[i] + slice.steps[i] - 1) / slice.steps[i]);
  }
  if (shape == input) return view;
  View result = view;
  result.id = node.builder().Emit(name, slice, {view.id}, shape);
  return result;
}

ir::Slice WholeSlice(const ir::Shape& shape) {
  return {std::vector<int64_t>(shape.size(), 0), shape, std::vector<int64_t>(shape.size(), 1)};
}

absl::Status ImportSlice(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  const Dims dims = node.builder().DimsOf(view);
  MSQ_ASSIGN_OR_RETURN(const SliceRanges ranges, ReadSlice(node, dims));
  ir::Slice slice = WholeSlice(node.builder().graph().shape(view.id));
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool whole = ranges.starts[i] == 0 && ranges.ends[i] == dims[i] && ranges.steps[i] == 1;
    if (whole) continue;
    const int own = view.perm[i] - 1;
    if (own < 0 || view.is_flattened()) return node.Unsupported("cuts the batch or a flattened channels-last tensor");
    if (ranges.steps[i] < 1 || ranges.starts[i] >= ranges.ends[i]) {
      return node.Unsupported("reverses a dimension or leaves nothing of it");
    }
    slice.starts[own] = ranges.starts[i];
    slice.ends[own] = ranges.ends[i];
    slice.steps[own] = ranges.steps[i];
  }
  return node.FinishView(EmitSlice(node, view, node.name(), slice));
}

absl::Status ImportSplit(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(int64_t axis, node.Int("axis", 0));
  MSQ_ASSIGN_OR_RETURN(axis, NormalizeAxis(node, axis, view.perm.size()));
  const int own = view.perm[axis] - 1;
  if (own < 0 || view.is_flattened()) return node.Unsupported("cuts the batch or a flattened channels-last tensor");
  const ir::Shape shape = node.builder().graph().shape(view.id);
  const int64_t parts = node.proto().output_size();
  if (parts < 1) return node.Invalid("has no outputs");
  Dims sizes(parts, shape[own] / parts);
  if (node.opset() < 13) {
    MSQ_ASSIGN_OR_RETURN(sizes, node.Ints("split", sizes));
  } else if (node.HasInput(1)) {
    MSQ_ASSIGN_OR_RETURN(sizes, node.ConstantInts(1));
  }
  if (static_cast<int64_t>(sizes.size()) != parts) return node.Invalid("its sizes do not match its outputs");
  int64_t start = 0;
  for (int64_t i = 0; i < parts; ++i) {
    if (sizes[i] < 1 || sizes[i] > shape[own] - start) return node.Invalid("its sizes do not add up to ", shape[own]);
    ir::Slice slice = WholeSlice(shape);
    slice.starts[own] = start;
    slice.ends[own] = start += sizes[i];
    node.builder().SetView(node.proto().output(static_cast<int>(i)),
                           EmitSlice(node, view, absl::StrCat(node.name(), "_", i), slice));
  }
  return start == shape[own] ? absl::OkStatus() : node.Invalid("its sizes do not add up to ", shape[own]);
}

absl::Status ImportPad(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const std::string mode, node.String("mode", "constant"));
  if (mode != "constant") return node.Unsupported("mode '", mode, "'; only zero padding is executed");
  const size_t rank = view.perm.size();
  Dims pads;
  float value = 0.0f;
  if (node.opset() < 11) {
    MSQ_ASSIGN_OR_RETURN(pads, node.Ints("pads", {}));
    MSQ_ASSIGN_OR_RETURN(value, node.Float("value", 0.0f));
  } else {
    MSQ_ASSIGN_OR_RETURN(pads, node.ConstantInts(1));
    if (node.HasInput(2)) {
      MSQ_ASSIGN_OR_RETURN(const HostTensor* tensor, node.Constant(2));
      if (tensor->size() == 1) value = tensor->FloatAt(0);
    }
  }
  if (pads.size() != 2 * rank) return node.Invalid("has ", pads.size(), " pads for ", rank, " dimensions");
  const ir::Shape input = node.builder().graph().shape(view.id);
  ir::Shape shape = input;
  ir::Pad pad{std::vector<int64_t>(input.size(), 0), std::vector<int64_t>(input.size(), 0)};
  for (size_t i = 0; i < rank; ++i) {
    if (pads[i] == 0 && pads[i + rank] == 0) continue;
    const int own = view.perm[i] - 1;
    if (own < 0 || view.is_flattened()) return node.Unsupported("pads the batch or a flattened tensor");
    if (pads[i] < 0 || pads[i + rank] < 0 || pads[i] > ir::kMaxDimension || pads[i + rank] > ir::kMaxDimension) {
      return node.Unsupported("pads by ", pads[i], " and ", pads[i + rank], "; use Slice to crop");
    }
    pad.before[own] = pads[i];
    pad.after[own] = pads[i + rank];
    shape[own] += pads[i] + pads[i + rank];
  }
  if (shape == input) return node.FinishView(view);
  if (value != 0.0f) return node.Unsupported("pads with ", value, "; only zero padding is executed");
  MSQ_RETURN_IF_ERROR(ir::CheckShape(shape));
  View result = view;
  result.id = node.builder().Emit(node.name(), pad, {view.id}, shape);
  return node.FinishView(std::move(result));
}

// Scales per ONNX dimension of Upsample (7: attribute, 9: input 1) and Resize (10: input 1, 11: input 2 or sizes).
absl::StatusOr<std::vector<double>> ReadScales(OnnxNode& node, const Dims& dims) {
  std::vector<double> scales;
  const bool upsample = node.op() == "Upsample";
  if (upsample && node.opset() < 9) {
    const onnx::AttributeProto* attribute = node.Find("scales");
    if (attribute == nullptr) return node.Invalid("attribute 'scales' is missing");
    scales.assign(attribute->floats().begin(), attribute->floats().end());
  } else {
    const int index = upsample || node.opset() < 11 ? 1 : 2;
    const bool has_scales = node.HasInput(index) && (!node.IsConstant(index) || (*node.Constant(index))->size() > 0);
    if (has_scales) {
      MSQ_ASSIGN_OR_RETURN(const HostTensor* tensor, node.Constant(index));
      for (int64_t i = 0; i < tensor->size(); ++i) scales.push_back(tensor->FloatAt(i));
    } else {
      MSQ_ASSIGN_OR_RETURN(const Dims sizes, node.ConstantInts(3));
      for (size_t i = 0; i < std::min(sizes.size(), dims.size()); ++i) {
        scales.push_back(static_cast<double>(sizes[i]) / static_cast<double>(dims[i]));
      }
    }
  }
  if (scales.size() != dims.size())
    return node.Invalid("has ", scales.size(), " scales for ", dims.size(), " dimensions");
  return scales;
}

// Whether the rounding of coordinates picks in(y / factor) for every whole factor up to `factor`.
absl::Status CheckResizeMode(OnnxNode& node, int64_t factor) {
  MSQ_ASSIGN_OR_RETURN(const std::string mode, node.String("mode", "nearest"));
  if (mode != "nearest") {
    return node.Unsupported("mode '", mode, "'; only nearest is executed (nn.Upsample(mode=\"nearest\"))");
  }
  if (node.op() == "Upsample" || node.opset() < 11) return absl::OkStatus();
  MSQ_ASSIGN_OR_RETURN(const std::string coordinates, node.String("coordinate_transformation_mode", "half_pixel"));
  MSQ_ASSIGN_OR_RETURN(const std::string rounding, node.String("nearest_mode", "round_prefer_floor"));
  const bool half = coordinates == "half_pixel" || coordinates == "pytorch_half_pixel";
  const bool prefers = rounding == "round_prefer_floor" || rounding == "round_prefer_ceil";
  if (half && prefers) return absl::OkStatus();
  if (coordinates == "asymmetric" && (rounding == "floor" || (rounding == "round_prefer_floor" && factor <= 2))) {
    return absl::OkStatus();
  }
  return node.Unsupported("coordinates '", coordinates, "' with rounding '", rounding, "'");
}

absl::Status ImportResize(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  MSQ_ASSIGN_OR_RETURN(const std::vector<double> scales, ReadScales(node, node.builder().DimsOf(view)));
  ir::ResizeNearest resize;
  ir::Shape shape = node.builder().graph().shape(view.id);
  if (shape.size() != 3 || view.is_flattened()) return node.Unsupported("its input is not an image");
  for (size_t i = 0; i < scales.size(); ++i) {
    const int own = view.perm[i] - 1;
    if (scales[i] != std::floor(scales[i]) || scales[i] < 1 || scales[i] > 64 || (own < 1 && scales[i] != 1)) {
      return node.Unsupported("scale ", scales[i], " of dimension ", i,
                              "; whole factors of height and width are executed");
    }
    if (own >= 1) resize.factors[own - 1] = static_cast<int64_t>(scales[i]);
  }
  MSQ_RETURN_IF_ERROR(CheckResizeMode(node, std::max(resize.factors[0], resize.factors[1])));
  shape[1] *= resize.factors[0];
  shape[2] *= resize.factors[1];
  MSQ_RETURN_IF_ERROR(ir::CheckShape(shape));
  View result = view;
  result.id = node.builder().Emit(node.name(), resize, {view.id}, shape);
  return node.FinishView(std::move(result));
}

absl::Status ImportReduceMean(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  const Dims dims = node.builder().DimsOf(view);
  MSQ_ASSIGN_OR_RETURN(const Dims axes, node.Ints("axes", {}));
  MSQ_ASSIGN_OR_RETURN(const int64_t keep, node.Int("keepdims", 1));
  std::vector<bool> reduced(dims.size(), false);
  int spatial = 0;
  for (int64_t axis : axes) {
    MSQ_ASSIGN_OR_RETURN(axis, NormalizeAxis(node, axis, dims.size()));
    if (reduced[axis]) return node.Invalid("axis ", axis, " is given twice");
    reduced[axis] = true;
    spatial += view.perm[axis] >= 2 ? 1 : 0;
  }
  if (dims.size() != 4 || axes.size() != 2 || spatial != 2 || view.is_flattened()) {
    return node.Unsupported("only the mean over height and width of an image is executed");
  }
  const int64_t channels = node.builder().graph().shape(view.id)[0];
  View result = view;
  result.id = node.builder().Emit(node.name(), ir::GlobalAveragePool{}, {view.id}, {channels, 1, 1});
  if (keep != 0) return node.FinishView(std::move(result));
  const ValueId flat = node.builder().Emit(node.name() + "_flat", ir::Reshape{}, {result.id}, {channels});
  return node.FinishView(PlainView(node.builder().graph(), flat));
}

// The same value under another name.
absl::Status ImportIdentity(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  return node.FinishView(view);
}

absl::Status ImportCast(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const int64_t to, node.Int("to", onnx::TensorProto::FLOAT));
  if (to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::FLOAT16 && to != onnx::TensorProto::DOUBLE) {
    return node.Unsupported("converts a computed value to an integer type");
  }
  return ImportIdentity(node);
}

}  // namespace

const std::map<std::string_view, OnnxHandler>& ShapeHandlers() {
  static const std::map<std::string_view, OnnxHandler> handlers = {
      {"Reshape", ImportReshape},     {"Flatten", ImportFlatten},     {"Squeeze", ImportSqueeze},
      {"Unsqueeze", ImportUnsqueeze}, {"Transpose", ImportTranspose}, {"Concat", ImportConcat},
      {"Slice", ImportSlice},         {"Split", ImportSplit},         {"Pad", ImportPad},
      {"Resize", ImportResize},       {"Upsample", ImportResize},     {"ReduceMean", ImportReduceMean},
      {"Identity", ImportIdentity},   {"Dropout", ImportIdentity},    {"Cast", ImportCast},
  };
  return handlers;
}

}  // namespace msq::quantizer
