// Reads an ONNX model: checks the envelope, then walks the nodes in order, folding constants and emitting the rest.
#include "quantizer/onnx_import.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/str_join.h"
#include "model/ir/shape_inference.h"
#include "quantizer/onnx_builder.h"

namespace msq::quantizer {
namespace {

constexpr int kOldestOpset = 7, kNewestOpset = 17;
constexpr int kMaxNodes = 20000;

absl::StatusOr<int> ReadOpset(const onnx::ModelProto& model) {
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    if (!set.domain().empty() && set.domain() != "ai.onnx") continue;
    if (set.version() < kOldestOpset || set.version() > kNewestOpset) {
      return Unimplemented("the model uses ONNX opset ", set.version(), "; opsets ", kOldestOpset, " to ", kNewestOpset,
                           " are read: export with opset_version=", kNewestOpset,
                           ", or convert with onnx.version_converter");
    }
    return static_cast<int>(set.version());
  }
  return InvalidArgument("the model names no ONNX opset; the file is damaged or no ONNX model");
}

// The network's only input: name, and ONNX dims with the batch (1 when it is free).
struct NetworkInput {
  std::string name;
  std::vector<int64_t> dims;
};

absl::StatusOr<NetworkInput> ReadInput(const onnx::GraphProto& graph, const OnnxBuilder& builder) {
  const onnx::ValueInfoProto* found = nullptr;
  for (const onnx::ValueInfoProto& info : graph.input()) {
    if (builder.FindConstant(info.name()) != nullptr) continue;
    if (found != nullptr) {
      return Unimplemented("the network has more than one input ('", found->name(), "' and '", info.name(),
                           "'); one is supported");
    }
    found = &info;
  }
  if (found == nullptr) return InvalidArgument("the network has no input");
  if (!found->type().has_tensor_type() || !found->type().tensor_type().has_shape()) {
    return InvalidArgument("input '", found->name(), "' has no shape; export the network with a fixed input size");
  }
  NetworkInput input{found->name(), {}};
  const auto& dims = found->type().tensor_type().shape().dim();
  for (int i = 0; i < dims.size(); ++i) {
    int64_t dim = dims[i].has_dim_value() ? dims[i].dim_value() : 0;
    if (i == 0 && dim <= 0) dim = 1;
    if (dim < 1 || dim > ir::kMaxDimension) {
      return InvalidArgument(
          "input '", input.name, "' has no fixed size in dimension ", i, " ('", dims[i].dim_param(), "', ", dim,
          "); export the network with a fixed input size (only the batch, dimension 0, may be free)");
    }
    input.dims.push_back(dim);
  }
  if (input.dims.size() < 2) {
    return InvalidArgument("input '", input.name, "' has ", input.dims.size(),
                           " dimensions; the first must be the batch");
  }
  MSQ_RETURN_IF_ERROR(
      WithContext(ir::CheckShape({input.dims.begin() + 1, input.dims.end()}), "input '", input.name, "'"));
  return input;
}

// True when the first thing that happens to `name`, elementwise operators aside, is a transposition from NHWC to NCHW.
bool IsTransposedToNchw(const onnx::GraphProto& graph, const std::string& name) {
  std::set<std::string> names = {name};
  static const std::set<std::string> passing = {"Identity", "Cast", "Add", "Sub", "Mul", "Div"};
  for (const onnx::NodeProto& node : graph.node()) {
    const bool reads = std::any_of(node.input().begin(), node.input().end(),
                                   [&names](const std::string& input) { return names.count(input) > 0; });
    if (!reads) continue;
    if (passing.count(node.op_type()) > 0 && node.output_size() > 0) {
      names.insert(node.output(0));
      continue;
    }
    if (node.op_type() != "Transpose" || node.attribute_size() != 1) return false;
    const auto& perm = node.attribute(0).ints();
    return std::vector<int64_t>(perm.begin(), perm.end()) == std::vector<int64_t>{0, 3, 1, 2};
  }
  return false;
}

void AddInput(const onnx::GraphProto& proto, const NetworkInput& input, OnnxBuilder& builder) {
  FloatGraph& graph = builder.graph();
  ir::Shape shape(input.dims.begin() + 1, input.dims.end());
  const bool channels_last = shape.size() == 3 && IsTransposedToNchw(proto, input.name);
  if (channels_last) {
    shape = {shape[2], shape[0], shape[1]};
    graph.input_layout = ir::InputDescription::Layout::kNhwc;
  }
  graph.input = builder.AddValue(input.name, shape);
  View view = PlainView(graph, graph.input);
  if (channels_last) view.perm = {0, 2, 3, 1};
  builder.SetView(input.name, view);
}

// Softmax and its kin where nothing but the network's output follows: the order of the scores is theirs already.
bool IsFinalScore(const OnnxNode& node, const onnx::GraphProto& graph) {
  static const std::set<std::string> scores = {"Softmax", "LogSoftmax", "ArgMax"};
  if (scores.count(node.op()) == 0 || node.proto().output_size() < 1) return false;
  const std::string& output = node.proto().output(0);
  const bool read = std::any_of(graph.node().begin(), graph.node().end(), [&output](const onnx::NodeProto& other) {
    return std::find(other.input().begin(), other.input().end(), output) != other.input().end();
  });
  return !read;
}

absl::Status StripFinalScore(OnnxNode& node) {
  MSQ_ASSIGN_OR_RETURN(const View view, node.Input(0));
  node.builder().graph().notes.push_back(
      absl::StrCat(node.op(), " '", node.name(),
                   "' at the end is left out: the output holds the scores before it, in the same order"));
  return node.FinishView(view);
}

const OnnxHandler* FindHandler(const std::map<std::string_view, OnnxHandler>& handlers, std::string_view op) {
  const auto it = handlers.find(op);
  return it == handlers.end() ? nullptr : &it->second;
}

absl::Status ImportNode(OnnxNode& node, const onnx::GraphProto& graph) {
  if (!node.proto().domain().empty() && node.proto().domain() != "ai.onnx") {
    return node.Unsupported("operators of domain '", node.proto().domain(), "' are not executed");
  }
  if (IsFinalScore(node, graph)) return StripFinalScore(node);
  bool constant = true;
  for (int i = 0; i < node.proto().input_size(); ++i) constant = constant && (!node.HasInput(i) || node.IsConstant(i));
  if (constant || node.op() == "Shape") {
    if (const OnnxHandler* handler = FindHandler(ConstantHandlers(), node.op()); handler != nullptr)
      return (*handler)(node);
  }
  for (const auto* handlers : {&LayerHandlers(), &ElementwiseHandlers(), &ShapeHandlers()}) {
    if (const OnnxHandler* handler = FindHandler(*handlers, node.op()); handler != nullptr) return (*handler)(node);
  }
  return node.Unsupported("operator not supported. Supported: ", SupportedOnnxOperators(),
                          ". Replace it in the network and export again");
}

absl::Status AddOutputs(const onnx::GraphProto& proto, OnnxBuilder& builder) {
  FloatGraph& graph = builder.graph();
  if (proto.output_size() == 0) return InvalidArgument("the network has no output");
  for (const onnx::ValueInfoProto& info : proto.output()) {
    const View* view = builder.FindView(info.name());
    if (view == nullptr) return InvalidArgument("output '", info.name(), "' is not computed from the network's input");
    if (!view->KeepsOrder(builder.DimsOf(*view))) {
      graph.notes.push_back(absl::StrCat("output '", info.name(), "' is delivered untransposed, as ",
                                         ir::ToString(graph.shape(view->id))));
    }
    graph.outputs.push_back(view->id);
    if (view->id != graph.input) graph.values[view->id].name = info.name();
  }
  return absl::OkStatus();
}

// Said before anything else, because the inputs of recurrent networks look odd too.
absl::Status RefuseRecurrent(const onnx::GraphProto& graph, OnnxBuilder& builder) {
  static const std::set<std::string> recurrent = {"LSTM", "GRU", "RNN"};
  for (const onnx::NodeProto& node : graph.node()) {
    if (recurrent.count(node.op_type()) == 0) continue;
    return OnnxNode(node, builder).Unsupported("recurrent layers are not executable yet");
  }
  return absl::OkStatus();
}

// Shapes of everything that was emitted stay within the IR's limits.
absl::Status CheckShapes(const FloatGraph& graph) {
  for (const Value& value : graph.values) {
    MSQ_RETURN_IF_ERROR(WithContext(ir::CheckShape(value.shape), "value '", value.name, "'"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FloatGraph> ImportOnnx(std::string_view bytes) {
  onnx::ModelProto model;
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return InvalidArgument("the file is larger than 2 GiB, more than one ONNX file can hold");
  }
  if (bytes.empty() || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("not an ONNX model, or damaged: the file does not parse; export it again");
  }
  if (!model.has_graph()) return InvalidArgument("not an ONNX model, or damaged: it holds no graph; export it again");
  const onnx::GraphProto& proto = model.graph();
  MSQ_ASSIGN_OR_RETURN(const int opset, ReadOpset(model));
  if (proto.node_size() > kMaxNodes)
    return InvalidArgument("the graph has ", proto.node_size(), " nodes, more than ", kMaxNodes);
  if (proto.sparse_initializer_size() > 0)
    return Unimplemented("sparse initializers are not read; store the weights densely");
  FloatGraph graph;
  graph.name = proto.name();
  OnnxBuilder builder(graph, opset);
  MSQ_RETURN_IF_ERROR(RefuseRecurrent(proto, builder));
  for (const onnx::TensorProto& tensor : proto.initializer()) {
    MSQ_ASSIGN_OR_RETURN(HostTensor decoded, DecodeTensor(tensor));
    MSQ_RETURN_IF_ERROR(builder.SetConstant(tensor.name(), std::move(decoded)));
  }
  MSQ_ASSIGN_OR_RETURN(const NetworkInput input, ReadInput(proto, builder));
  builder.set_batch(input.dims[0]);
  AddInput(proto, input, builder);
  for (const onnx::NodeProto& node_proto : proto.node()) {
    OnnxNode node(node_proto, builder);
    MSQ_RETURN_IF_ERROR(ImportNode(node, proto));
  }
  MSQ_RETURN_IF_ERROR(AddOutputs(proto, builder));
  MSQ_RETURN_IF_ERROR(CheckShapes(graph));
  graph.RemoveDeadNodes();
  return graph;
}

std::string SupportedOnnxOperators() {
  std::set<std::string> names = {"Softmax, LogSoftmax and ArgMax at the end"};
  for (const auto* handlers : {&ConstantHandlers(), &LayerHandlers(), &ElementwiseHandlers(), &ShapeHandlers()}) {
    for (const auto& [name, handler] : *handlers) names.insert(std::string(name));
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace msq::quantizer
