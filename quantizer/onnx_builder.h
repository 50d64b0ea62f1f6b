// What the importer's operator handlers work with: constants folded so far, values of the float graph by ONNX name, typed
// access to a node's attributes, and errors that name the node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <onnx/onnx_pb.h>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "quantizer/float_graph.h"

namespace msq::quantizer {

// A constant: dims are ONNX's, batch included where the exporter had one. Integers and booleans live in `ints`.
struct HostTensor {
  std::vector<int64_t> dims;
  bool is_float = true;
  std::vector<float> floats;
  std::vector<int64_t> ints;

  int64_t size() const { return static_cast<int64_t>(is_float ? floats.size() : ints.size()); }
  float FloatAt(int64_t i) const { return is_float ? floats[i] : static_cast<float>(ints[i]); }
};

inline constexpr size_t kMaxConstantRank = 8;

absl::StatusOr<HostTensor> DecodeTensor(const onnx::TensorProto& proto);

// An ONNX value that depends on the network's input: a value of the float graph seen through a transposition, which costs
// nothing until something needs the elements in order. ONNX axis i is axis perm[i] of [batch] + the value's shape.
struct View {
  ValueId id = -1;
  std::vector<int> perm;
  // After flattening a transposed value: the shape without batch that was flattened (in ONNX's order) and its axes in the
  // value's order. A matrix product takes that up by permuting its columns.
  std::vector<int64_t> flattened_dims;
  std::vector<int> flattened_perm;

  bool is_plain() const;
  // True when the transposition moves no dimension other than those of size 1, so that the order of elements stays.
  bool KeepsOrder(const std::vector<int64_t>& dims) const;
  bool is_flattened() const { return !flattened_dims.empty(); }
};

class OnnxBuilder {
 public:
  OnnxBuilder(FloatGraph& graph, int opset) : graph_(graph), opset_(opset) {}

  FloatGraph& graph() { return graph_; }
  int opset() const { return opset_; }
  // The size of dimension 0 that the exporter fixed, or 1 when it left the batch free.
  int64_t batch() const { return batch_; }
  void set_batch(int64_t batch) { batch_ = batch; }

  const HostTensor* FindConstant(std::string_view name) const;
  const View* FindView(std::string_view name) const;
  // A constant that the file holds. INVALID_ARGUMENT when its dims and its data disagree.
  absl::Status SetConstant(std::string_view name, HostTensor tensor);
  // A constant that was computed here: also limited in total, so that no small file folds to a large one.
  absl::Status SetFoldedConstant(std::string_view name, HostTensor tensor);
  // How many elements may still be folded.
  int64_t folding_room() const { return folding_room_; }
  void SetView(std::string_view name, View view);

  // Adds a node (or a value without one, for the input) and returns its output.
  ValueId AddValue(std::string_view name, ir::Shape shape);
  ValueId Emit(std::string_view name, FloatOp op, std::vector<ValueId> inputs, ir::Shape shape);
  // The ONNX dims of a view, batch first.
  std::vector<int64_t> DimsOf(const View& view) const;

 private:
  FloatGraph& graph_;
  int opset_;
  int64_t batch_ = 1;
  int64_t folding_room_ = int64_t{1} << 24;  // and as many as the file holds
  std::map<std::string, HostTensor, std::less<>> constants_;
  std::map<std::string, View, std::less<>> views_;
};

// One ONNX node while it is being imported.
class OnnxNode {
 public:
  OnnxNode(const onnx::NodeProto& proto, OnnxBuilder& builder) : proto_(proto), builder_(builder) {}

  const onnx::NodeProto& proto() const { return proto_; }
  const std::string& op() const { return proto_.op_type(); }
  OnnxBuilder& builder() { return builder_; }
  int opset() const { return builder_.opset(); }
  // The node's own name, or that of its first output when the exporter gave none.
  std::string name() const;

  bool HasInput(int index) const { return index < proto_.input_size() && !proto_.input(index).empty(); }
  bool IsConstant(int index) const { return HasInput(index) && builder_.FindConstant(proto_.input(index)) != nullptr; }
  absl::StatusOr<const HostTensor*> Constant(int index) const;
  absl::StatusOr<std::vector<int64_t>> ConstantInts(int index) const;
  absl::StatusOr<View> Input(int index) const;
  // Input whose elements must be in the graph's own order.
  absl::StatusOr<View> PlainInput(int index) const;

  bool HasAttribute(std::string_view name) const { return Find(name) != nullptr; }
  absl::StatusOr<int64_t> Int(std::string_view name, int64_t otherwise) const;
  absl::StatusOr<float> Float(std::string_view name, float otherwise) const;
  absl::StatusOr<std::string> String(std::string_view name, std::string_view otherwise) const;
  absl::StatusOr<std::vector<int64_t>> Ints(std::string_view name, std::vector<int64_t> otherwise) const;
  const onnx::AttributeProto* Find(std::string_view name) const;

  // Emits the node's first output, with identity view.
  absl::Status Finish(FloatOp op, std::vector<ValueId> inputs, ir::Shape shape);
  // With a constant that was folded.
  absl::Status FinishConstant(HostTensor tensor);
  absl::Status FinishView(View view);

  // INVALID_ARGUMENT "node 'x' (Conv): ..." and UNIMPLEMENTED likewise.
  template <typename... Parts>
  absl::Status Invalid(const Parts&... parts) const {
    return InvalidArgument(Label(), ": ", parts...);
  }
  template <typename... Parts>
  absl::Status Unsupported(const Parts&... parts) const {
    return Unimplemented(Label(), ": ", parts...);
  }
  std::string Label() const;

 private:
  const onnx::NodeProto& proto_;
  OnnxBuilder& builder_;
};

// View with identity transposition of `id` in `graph`.
View PlainView(const FloatGraph& graph, ValueId id);

// Of a flattened view: for each position in the value's own order, its position in the order in which ONNX flattened it.
std::vector<int64_t> FlattenedOrder(const View& view);

// Maps a possibly negative axis into [0, rank) or fails.
absl::StatusOr<int64_t> NormalizeAxis(const OnnxNode& node, int64_t axis, int64_t rank);

// Attributes and inputs that computed values and constants share. All take and give ONNX dims.
absl::StatusOr<std::vector<int64_t>> ResolveReshape(const OnnxNode& node, const std::vector<int64_t>& target,
                                                    const std::vector<int64_t>& dims);
absl::StatusOr<std::vector<int64_t>> SqueezeDims(OnnxNode& node, const std::vector<int64_t>& dims);
absl::StatusOr<std::vector<int64_t>> UnsqueezeDims(OnnxNode& node, const std::vector<int64_t>& dims);
absl::StatusOr<std::vector<int64_t>> ReadPermutation(OnnxNode& node, size_t rank);
struct SliceRanges {  // one entry per dimension, starts and ends clamped as ONNX says
  std::vector<int64_t> starts, ends, steps;
};
absl::StatusOr<SliceRanges> ReadSlice(OnnxNode& node, const std::vector<int64_t>& dims);

using OnnxHandler = absl::Status (*)(OnnxNode& node);
// Each onnx_ops_*.cc contributes its operators.
const std::map<std::string_view, OnnxHandler>& LayerHandlers();
const std::map<std::string_view, OnnxHandler>& ElementwiseHandlers();
const std::map<std::string_view, OnnxHandler>& ShapeHandlers();
// For nodes whose data operands are all constants (or whose result is, as Shape's).
const std::map<std::string_view, OnnxHandler>& ConstantHandlers();

}  // namespace msq::quantizer
