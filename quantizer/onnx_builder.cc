// Implementation of the importer's working state.
#include "quantizer/onnx_builder.h"

#include <algorithm>
#include <numeric>

namespace msq::quantizer {

namespace {

absl::Status CheckDims(const HostTensor& tensor) {
  const int64_t size = tensor.size();
  bool fits = tensor.dims.size() <= kMaxConstantRank;
  const bool empty = std::find(tensor.dims.begin(), tensor.dims.end(), 0) != tensor.dims.end();
  int64_t product = empty ? 0 : 1;
  for (size_t i = 0; fits && !empty && i < tensor.dims.size(); ++i) {
    fits = tensor.dims[i] > 0 && tensor.dims[i] <= size / product;
    if (fits) product *= tensor.dims[i];
  }
  if (fits && product == size) return absl::OkStatus();
  return InvalidArgument("a constant of ", size, " elements cannot have the shape ", ir::ToString(tensor.dims));
}

}  // namespace

bool View::is_plain() const {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int>(i)) return false;
  }
  return !is_flattened();
}

bool View::KeepsOrder(const std::vector<int64_t>& dims) const {
  if (is_flattened() || perm.empty() || perm[0] != 0) return false;
  int previous = 0;
  for (size_t i = 1; i < perm.size(); ++i) {
    if (dims[i] == 1) continue;
    if (perm[i] < previous) return false;
    previous = perm[i];
  }
  return true;
}

View PlainView(const FloatGraph& graph, ValueId id) {
  View view;
  view.id = id;
  view.perm.resize(graph.shape(id).size() + 1);
  std::iota(view.perm.begin(), view.perm.end(), 0);
  return view;
}

std::vector<int64_t> FlattenedOrder(const View& view) {
  const size_t rank = view.flattened_dims.size();
  std::vector<int64_t> own_dims(rank), own_stride(rank);
  for (size_t i = 0; i < rank; ++i) own_dims[view.flattened_perm[i]] = view.flattened_dims[i];
  int64_t stride = 1;
  for (size_t i = rank; i-- > 0; stride *= own_dims[i]) own_stride[i] = stride;
  std::vector<int64_t> order(stride);
  std::vector<int64_t> index(rank, 0);
  for (int64_t flat = 0; flat < stride; ++flat) {
    int64_t own = 0;
    for (size_t i = 0; i < rank; ++i) own += index[i] * own_stride[view.flattened_perm[i]];
    order[own] = flat;
    for (size_t i = rank; i-- > 0;) {
      if (++index[i] < view.flattened_dims[i]) break;
      index[i] = 0;
    }
  }
  return order;
}

absl::StatusOr<int64_t> NormalizeAxis(const OnnxNode& node, int64_t axis, int64_t rank) {
  const int64_t normalized = axis < 0 ? axis + rank : axis;
  if (normalized < 0 || normalized >= rank)
    return node.Invalid("axis ", axis, " does not exist in ", rank, " dimensions");
  return normalized;
}

const HostTensor* OnnxBuilder::FindConstant(std::string_view name) const {
  const auto it = constants_.find(name);
  return it == constants_.end() ? nullptr : &it->second;
}

const View* OnnxBuilder::FindView(std::string_view name) const {
  const auto it = views_.find(name);
  return it == views_.end() ? nullptr : &it->second;
}

absl::Status OnnxBuilder::SetConstant(std::string_view name, HostTensor tensor) {
  MSQ_RETURN_IF_ERROR(CheckDims(tensor));
  folding_room_ += tensor.size();
  constants_.insert_or_assign(std::string(name), std::move(tensor));
  return absl::OkStatus();
}

absl::Status OnnxBuilder::SetFoldedConstant(std::string_view name, HostTensor tensor) {
  MSQ_RETURN_IF_ERROR(CheckDims(tensor));
  if (tensor.size() > folding_room_) {
    return Unimplemented("computes too many constants; simplify the model first (for example with onnxsim)");
  }
  folding_room_ -= tensor.size();
  constants_.insert_or_assign(std::string(name), std::move(tensor));
  return absl::OkStatus();
}

void OnnxBuilder::SetView(std::string_view name, View view) {
  views_.insert_or_assign(std::string(name), std::move(view));
}

ValueId OnnxBuilder::AddValue(std::string_view name, ir::Shape shape) {
  graph_.values.push_back({std::string(name), std::move(shape)});
  return static_cast<ValueId>(graph_.values.size()) - 1;
}

ValueId OnnxBuilder::Emit(std::string_view name, FloatOp op, std::vector<ValueId> inputs, ir::Shape shape) {
  const ValueId output = AddValue(name, std::move(shape));
  graph_.nodes.push_back({std::string(name), std::move(op), std::move(inputs), output});
  return output;
}

std::vector<int64_t> OnnxBuilder::DimsOf(const View& view) const {
  const ir::Shape& shape = graph_.shape(view.id);
  std::vector<int64_t> dims;
  for (int axis : view.perm) dims.push_back(axis == 0 ? batch_ : shape[axis - 1]);
  return dims;
}

std::string OnnxNode::name() const {
  if (!proto_.name().empty()) return proto_.name();
  return proto_.output_size() > 0 ? proto_.output(0) : proto_.op_type();
}

std::string OnnxNode::Label() const {
  return absl::StrCat("node '", name(), "' (", op(), ", opset ", opset(), ")");
}

absl::StatusOr<const HostTensor*> OnnxNode::Constant(int index) const {
  if (!HasInput(index)) return Invalid("input ", index, " is missing");
  const HostTensor* tensor = builder_.FindConstant(proto_.input(index));
  if (tensor != nullptr) return tensor;
  if (builder_.FindView(proto_.input(index)) != nullptr) {
    return Unsupported("input ", index, " ('", proto_.input(index),
                       "') is computed from the network's input; only constants are taken here");
  }
  return Invalid("input ", index, " ('", proto_.input(index), "') is not defined before this node");
}

absl::StatusOr<std::vector<int64_t>> OnnxNode::ConstantInts(int index) const {
  MSQ_ASSIGN_OR_RETURN(const HostTensor* tensor, Constant(index));
  if (tensor->is_float) return Invalid("input ", index, " holds floats where integers are expected");
  return tensor->ints;
}

absl::StatusOr<View> OnnxNode::Input(int index) const {
  if (!HasInput(index)) return Invalid("input ", index, " is missing");
  const View* view = builder_.FindView(proto_.input(index));
  if (view != nullptr) return *view;
  if (builder_.FindConstant(proto_.input(index)) != nullptr) {
    return Unsupported("input ", index, " ('", proto_.input(index),
                       "') is a constant where a computed value is expected; ",
                       "simplify the model first (for example with onnxsim)");
  }
  return Invalid("input ", index, " ('", proto_.input(index), "') is not defined before this node");
}

absl::StatusOr<View> OnnxNode::PlainInput(int index) const {
  MSQ_ASSIGN_OR_RETURN(View view, Input(index));
  if (!view.is_plain()) {
    return Unsupported("input ", index,
                       " is transposed in a way that cannot be folded away; export the network in NCHW");
  }
  return view;
}

const onnx::AttributeProto* OnnxNode::Find(std::string_view name) const {
  for (const onnx::AttributeProto& attribute : proto_.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

absl::StatusOr<int64_t> OnnxNode::Int(std::string_view name, int64_t otherwise) const {
  const onnx::AttributeProto* attribute = Find(name);
  if (attribute == nullptr) return otherwise;
  if (!attribute->has_i()) return Invalid("attribute '", std::string(name), "' is not an integer");
  return attribute->i();
}

absl::StatusOr<float> OnnxNode::Float(std::string_view name, float otherwise) const {
  const onnx::AttributeProto* attribute = Find(name);
  if (attribute == nullptr) return otherwise;
  if (!attribute->has_f()) return Invalid("attribute '", std::string(name), "' is not a float");
  return attribute->f();
}

absl::StatusOr<std::string> OnnxNode::String(std::string_view name, std::string_view otherwise) const {
  const onnx::AttributeProto* attribute = Find(name);
  if (attribute == nullptr) return std::string(otherwise);
  if (!attribute->has_s()) return Invalid("attribute '", std::string(name), "' is not a string");
  return attribute->s();
}

absl::StatusOr<std::vector<int64_t>> OnnxNode::Ints(std::string_view name, std::vector<int64_t> otherwise) const {
  const onnx::AttributeProto* attribute = Find(name);
  if (attribute == nullptr) return otherwise;
  return std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

absl::Status OnnxNode::Finish(FloatOp op, std::vector<ValueId> inputs, ir::Shape shape) {
  const ValueId id = builder_.Emit(name(), std::move(op), std::move(inputs), std::move(shape));
  return FinishView(PlainView(builder_.graph(), id));
}

absl::Status OnnxNode::FinishConstant(HostTensor tensor) {
  if (proto_.output_size() < 1) return Invalid("has no output");
  return WithContext(builder_.SetFoldedConstant(proto_.output(0), std::move(tensor)), Label());
}

absl::Status OnnxNode::FinishView(View view) {
  if (proto_.output_size() < 1) return Invalid("has no output");
  builder_.SetView(proto_.output(0), std::move(view));
  return absl::OkStatus();
}

}  // namespace msq::quantizer
