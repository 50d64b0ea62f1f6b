// ONNX handlers that fold constants at import: what exporters leave of shape arithmetic (x.view(x.size(0), -1)), padding
// amounts and transposed weights. Also the attribute readers that folding shares with onnx_ops_shape.cc.
#include <algorithm>
#include <limits>
#include <numeric>

#include "quantizer/onnx_builder.h"

namespace msq::quantizer {

using Dims = std::vector<int64_t>;

absl::StatusOr<Dims> ResolveReshape(const OnnxNode& node, const Dims& target, const Dims& dims) {
  if (target.size() > kMaxConstantRank) return node.Unsupported("makes ", target.size(), " dimensions");
  Dims result = target;
  int64_t total = 1, known = 1;
  int open = -1;
  for (int64_t dim : dims) total *= dim;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && i < dims.size()) result[i] = dims[i];
    if (result[i] == -1 && open < 0) {
      open = static_cast<int>(i);
      continue;
    }
    if (result[i] < 1 || result[i] > total) return node.Invalid("its shape has an impossible dimension ", target[i]);
    known *= result[i];
    if (known > total) break;
  }
  if (open >= 0 && known > 0 && total % known == 0) {
    result[open] = total / known;
    known = total;
  }
  if (known != total) return node.Invalid("its shape does not hold the ", total, " elements of its input");
  return result;
}

namespace {

// Axes: an attribute up to opset 12, an input from 13 on.
absl::StatusOr<Dims> ReadAxes(OnnxNode& node) {
  if (node.opset() < 13) return node.Ints("axes", {});
  if (!node.HasInput(1)) return Dims();
  return node.ConstantInts(1);
}

}  // namespace

absl::StatusOr<Dims> SqueezeDims(OnnxNode& node, const Dims& dims) {
  MSQ_ASSIGN_OR_RETURN(const Dims axes, ReadAxes(node));
  std::vector<bool> drop(dims.size(), false);
  // Without axes every dimension of size 1 goes, but the batch is never meant.
  for (size_t i = 1; i < dims.size() && axes.empty(); ++i) drop[i] = dims[i] == 1;
  for (int64_t axis : axes) {
    MSQ_ASSIGN_OR_RETURN(axis, NormalizeAxis(node, axis, dims.size()));
    if (dims[axis] != 1) return node.Invalid("dimension ", axis, " has size ", dims[axis], " and cannot be squeezed");
    drop[axis] = true;
  }
  Dims result;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!drop[i]) result.push_back(dims[i]);
  }
  return result;
}

absl::StatusOr<Dims> UnsqueezeDims(OnnxNode& node, const Dims& dims) {
  MSQ_ASSIGN_OR_RETURN(const Dims axes, ReadAxes(node));
  const size_t rank = dims.size() + axes.size();
  if (rank > kMaxConstantRank) return node.Unsupported("makes ", rank, " dimensions");
  std::vector<bool> inserted(rank, false);
  for (int64_t axis : axes) {
    MSQ_ASSIGN_OR_RETURN(axis, NormalizeAxis(node, axis, rank));
    if (inserted[axis]) return node.Invalid("axis ", axis, " is given twice");
    inserted[axis] = true;
  }
  Dims result;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) result.push_back(inserted[i] ? 1 : dims[next++]);
  return result;
}

absl::StatusOr<Dims> ReadPermutation(OnnxNode& node, size_t rank) {
  Dims perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(rank - 1 - i);
  MSQ_ASSIGN_OR_RETURN(perm, node.Ints("perm", perm));
  std::vector<bool> seen(rank, false);
  bool valid = perm.size() == rank;
  for (size_t i = 0; valid && i < rank; ++i) {
    valid = perm[i] >= 0 && perm[i] < static_cast<int64_t>(rank) && !seen[perm[i]];
    if (valid) seen[perm[i]] = true;
  }
  if (!valid) return node.Invalid("attribute 'perm' is no permutation of ", rank, " dimensions");
  return perm;
}

absl::StatusOr<SliceRanges> ReadSlice(OnnxNode& node, const Dims& dims) {
  Dims starts, ends, axes, steps;
  if (node.opset() < 10) {
    MSQ_ASSIGN_OR_RETURN(starts, node.Ints("starts", {}));
    MSQ_ASSIGN_OR_RETURN(ends, node.Ints("ends", {}));
    MSQ_ASSIGN_OR_RETURN(axes, node.Ints("axes", {}));
  } else {
    MSQ_ASSIGN_OR_RETURN(starts, node.ConstantInts(1));
    MSQ_ASSIGN_OR_RETURN(ends, node.ConstantInts(2));
    if (node.HasInput(3)) {
      MSQ_ASSIGN_OR_RETURN(axes, node.ConstantInts(3));
    }
    if (node.HasInput(4)) {
      MSQ_ASSIGN_OR_RETURN(steps, node.ConstantInts(4));
    }
  }
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    return node.Invalid("its starts, ends, axes and steps differ in length");
  }
  SliceRanges ranges{Dims(dims.size(), 0), dims, Dims(dims.size(), 1)};
  for (size_t i = 0; i < starts.size(); ++i) {
    MSQ_ASSIGN_OR_RETURN(const int64_t axis, NormalizeAxis(node, axes[i], dims.size()));
    const int64_t dim = dims[axis];
    const bool backward = steps[i] < 0;
    if (steps[i] == 0 || steps[i] == std::numeric_limits<int64_t>::min()) return node.Invalid("step ", steps[i]);
    const auto clamp = [dim, backward](int64_t at) {
      if (at < 0) at = at < -dim ? -1 : at + dim;  // -1: before the first
      return std::clamp<int64_t>(at, backward ? -1 : 0, backward ? dim - 1 : dim);
    };
    ranges.starts[axis] = clamp(starts[i]);
    ranges.ends[axis] = clamp(ends[i]);
    ranges.steps[axis] = steps[i];
  }
  return ranges;
}

namespace {

template <typename Pick>
HostTensor Rearrange(const HostTensor& source, Dims dims, int64_t count, const Pick& source_index) {
  HostTensor result;
  result.dims = std::move(dims);
  result.is_float = source.is_float;
  for (int64_t i = 0; i < count; ++i) {
    if (source.is_float) {
      result.floats.push_back(source.floats[source_index(i)]);
    } else {
      result.ints.push_back(source.ints[source_index(i)]);
    }
  }
  return result;
}

absl::Status FoldWithDims(OnnxNode& node, absl::StatusOr<Dims> dims) {
  MSQ_RETURN_IF_ERROR(dims.status());
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  HostTensor result = *source;
  result.dims = *std::move(dims);
  return node.FinishConstant(std::move(result));
}

absl::Status FoldIdentity(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  return node.FinishConstant(*source);
}

absl::Status FoldReshape(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  MSQ_ASSIGN_OR_RETURN(const Dims target, node.ConstantInts(1));
  if (source->size() == 0) return node.Unsupported("reshapes an empty constant");
  return FoldWithDims(node, ResolveReshape(node, target, source->dims));
}

absl::Status FoldSqueeze(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  return FoldWithDims(node, SqueezeDims(node, source->dims));
}

absl::Status FoldUnsqueeze(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  return FoldWithDims(node, UnsqueezeDims(node, source->dims));
}

absl::Status FoldCast(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  MSQ_ASSIGN_OR_RETURN(const int64_t to, node.Int("to", onnx::TensorProto::FLOAT));
  HostTensor result;
  result.dims = source->dims;
  result.is_float =
      to == onnx::TensorProto::FLOAT || to == onnx::TensorProto::DOUBLE || to == onnx::TensorProto::FLOAT16;
  for (int64_t i = 0; i < source->size(); ++i) {
    const float value = source->FloatAt(i);
    if (result.is_float) {
      result.floats.push_back(value);
    } else if (!source->is_float) {
      result.ints.push_back(source->ints[i]);
    } else if (value > -9e18f && value < 9e18f) {
      result.ints.push_back(static_cast<int64_t>(value));
    } else {
      return node.Invalid("converts ", value, " to an integer");
    }
  }
  return node.FinishConstant(std::move(result));
}

absl::Status FoldTranspose(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  const size_t rank = source->dims.size();
  MSQ_ASSIGN_OR_RETURN(const Dims perm, ReadPermutation(node, rank));
  Dims strides(rank), dims(rank);
  int64_t stride = 1;
  for (size_t i = rank; i-- > 0; stride *= source->dims[i]) strides[i] = stride;
  for (size_t i = 0; i < rank; ++i) dims[i] = source->dims[perm[i]];
  const auto pick = [&](int64_t flat) {
    int64_t index = 0;
    for (size_t i = rank; i-- > 0; flat /= dims[i]) index += flat % dims[i] * strides[perm[i]];
    return index;
  };
  return node.FinishConstant(Rearrange(*source, dims, source->size(), pick));
}

absl::Status FoldSlice(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  MSQ_ASSIGN_OR_RETURN(const SliceRanges ranges, ReadSlice(node, source->dims));
  const size_t rank = source->dims.size();
  Dims dims(rank), strides(rank);
  int64_t stride = 1, count = 1;
  for (size_t i = rank; i-- > 0; stride *= source->dims[i]) strides[i] = stride;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t step = ranges.steps[i], span = ranges.ends[i] - ranges.starts[i];
    const int64_t reach = step > 0 ? span : -span, pace = step > 0 ? step : -step;
    dims[i] = reach <= 0 ? 0 : (reach - 1) / pace + 1;
    count *= dims[i];
  }
  const auto pick = [&](int64_t flat) {
    int64_t index = 0;
    for (size_t i = rank; i-- > 0; flat /= dims[i])
      index += (ranges.starts[i] + flat % dims[i] * ranges.steps[i]) * strides[i];
    return index;
  };
  return node.FinishConstant(Rearrange(*source, dims, count, pick));
}

absl::Status FoldGather(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* source, node.Constant(0));
  MSQ_ASSIGN_OR_RETURN(const HostTensor* indices, node.Constant(1));
  MSQ_ASSIGN_OR_RETURN(const int64_t axis, node.Int("axis", 0));
  if (source->dims.size() != 1 || (axis != 0 && axis != -1) || indices->is_float || indices->dims.size() > 1) {
    return node.Unsupported("only elements of one-dimensional shapes are gathered");
  }
  for (int64_t index : indices->ints) {
    if (index < -source->size() || index >= source->size()) return node.Invalid("index ", index, " is out of range");
  }
  const auto pick = [&](int64_t i) {
    return indices->ints[i] < 0 ? indices->ints[i] + source->size() : indices->ints[i];
  };
  return node.FinishConstant(Rearrange(*source, indices->dims, indices->size(), pick));
}

absl::Status FoldConcat(OnnxNode& node) {
  HostTensor result;
  result.is_float = false;
  for (int i = 0; i < node.proto().input_size(); ++i) {
    MSQ_ASSIGN_OR_RETURN(const HostTensor* part, node.Constant(i));
    if (part->dims.size() != 1) return node.Unsupported("only one-dimensional constants are joined");
    if (i == 0) result.is_float = part->is_float;
    if (part->is_float != result.is_float) return node.Invalid("joins integers with floats");
    if (part->size() > node.builder().folding_room() - result.size())
      return node.Unsupported("joins too many elements");
    result.floats.insert(result.floats.end(), part->floats.begin(), part->floats.end());
    result.ints.insert(result.ints.end(), part->ints.begin(), part->ints.end());
  }
  result.dims = {result.size()};
  return node.FinishConstant(std::move(result));
}

absl::Status FoldConstant(OnnxNode& node) {
  const onnx::AttributeProto* value = node.Find("value");
  if (value != nullptr && value->has_t()) {
    auto tensor = DecodeTensor(value->t());
    if (!tensor.ok()) return node.Invalid(std::string(Message(tensor.status())));
    if (node.proto().output_size() < 1) return node.Invalid("has no output");
    return WithContext(node.builder().SetConstant(node.proto().output(0), *std::move(tensor)), node.Label());
  }
  HostTensor result;
  if (const auto* f = node.Find("value_float"); f != nullptr) {
    result.floats = {f->f()};
  } else if (const auto* fs = node.Find("value_floats"); fs != nullptr) {
    result.floats.assign(fs->floats().begin(), fs->floats().end());
    result.dims = {fs->floats_size()};
  } else if (const auto* i = node.Find("value_int"); i != nullptr) {
    result.is_float = false;
    result.ints = {i->i()};
  } else if (const auto* is = node.Find("value_ints"); is != nullptr) {
    result.is_float = false;
    result.ints.assign(is->ints().begin(), is->ints().end());
    result.dims = {is->ints_size()};
  } else {
    return node.Unsupported("its value is neither a tensor nor numbers");
  }
  return node.FinishConstant(std::move(result));
}

absl::Status FoldConstantOfShape(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const Dims dims, node.ConstantInts(0));
  HostTensor fill;
  fill.floats = {0.0f};
  if (const onnx::AttributeProto* value = node.Find("value"); value != nullptr) {
    MSQ_ASSIGN_OR_RETURN(fill, DecodeTensor(value->t()));
    if (fill.size() != 1) return node.Invalid("its value is not a single number");
  }
  int64_t count = 1;
  if (dims.size() > kMaxConstantRank) return node.Unsupported("makes ", dims.size(), " dimensions");
  for (int64_t dim : dims) {
    if (dim < 0 || dim > 65536 || (count *= dim) > 65536)
      return node.Unsupported("makes a constant of more than 65536 elements");
  }
  return node.FinishConstant(Rearrange(fill, dims, count, [](int64_t) { return 0; }));
}

absl::Status FoldShape(OnnxNode& node) {
  if (!node.HasInput(0)) return node.Invalid("input 0 is missing");
  HostTensor result;
  result.is_float = false;
  if (node.IsConstant(0)) {
    result.ints = (*node.Constant(0))->dims;
  } else {
    MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
    result.ints = node.builder().DimsOf(view);
  }
  const int64_t rank = result.size();
  MSQ_ASSIGN_OR_RETURN(int64_t start, node.Int("start", 0));
  MSQ_ASSIGN_OR_RETURN(int64_t end, node.Int("end", rank));
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
  result.ints = Dims(result.ints.begin() + start, result.ints.begin() + end);
  result.dims = {result.size()};
  return node.FinishConstant(std::move(result));
}

}  // namespace

const std::map<std::string_view, OnnxHandler>& ConstantHandlers() {
  static const std::map<std::string_view, OnnxHandler> handlers = {
      {"Constant", FoldConstant},   {"ConstantOfShape", FoldConstantOfShape},
      {"Shape", FoldShape},         {"Gather", FoldGather},
      {"Concat", FoldConcat},       {"Slice", FoldSlice},
      {"Transpose", FoldTranspose}, {"Reshape", FoldReshape},
      {"Squeeze", FoldSqueeze},     {"Unsqueeze", FoldUnsqueeze},
      {"Cast", FoldCast},           {"Identity", FoldIdentity},
  };
  return handlers;
}

}  // namespace msq::quantizer
