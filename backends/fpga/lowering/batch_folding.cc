#include "backends/fpga/lowering/batch_folding.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "model/ir/verifier.h"

namespace msq::fpga {
namespace {

bool IsOnePixel(const ir::Shape& shape) {
  return (shape.size() == 1 || shape.size() == 3) && ir::ElementCount(shape) == shape[0];
}

// The operator on columns of pixels; none if it looks beyond a pixel.
struct Widen {
  std::optional<ir::Op> operator()(const ir::Dense& op) const {
    return ir::Conv{.window = {}, .groups = 1, .weights = op.weights, .epilogue = op.epilogue};
  }
  std::optional<ir::Op> operator()(const ir::Conv& op) const {
    const ir::Window& window = op.window;
    const bool is_pixel = window.kernel == std::array<int64_t, 2>{1, 1} &&
                          window.strides == std::array<int64_t, 2>{1, 1} &&
                          window.pads == std::array<int64_t, 4>{0, 0, 0, 0};
    return is_pixel ? std::optional<ir::Op>(op) : std::nullopt;
  }
  std::optional<ir::Op> operator()(const ir::Add& op) const { return op; }
  std::optional<ir::Op> operator()(const ir::Rescale& op) const { return op; }
  std::optional<ir::Op> operator()(const ir::Concat& op) const {
    return op.axis == 0 ? std::optional<ir::Op>(op) : std::nullopt;
  }
  template <typename Other>
  std::optional<ir::Op> operator()(const Other&) const {
    return std::nullopt;
  }
};

}  // namespace

std::optional<ir::Graph> FoldBatch(const ir::Graph& graph, int64_t samples) {
  ir::Graph folded = graph;
  folded.nodes.clear();
  for (ir::Tensor& tensor : folded.tensors) {
    if (!IsOnePixel(tensor.type.shape)) return std::nullopt;
    tensor.type.shape = {tensor.type.shape[0], 1, samples};
  }
  std::vector<ir::TensorId> same(graph.tensors.size());  // which tensor holds a tensor's elements
  for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<ir::TensorId>(i);
  for (ir::Node node : graph.nodes) {
    for (ir::TensorId& id : node.inputs) id = same[static_cast<size_t>(id)];
    if (std::holds_alternative<ir::Reshape>(node.op)) {  // channels stay channels
      const auto& outputs = graph.outputs;
      if (std::find(outputs.begin(), outputs.end(), node.output) != outputs.end()) return std::nullopt;
      same[static_cast<size_t>(node.output)] = node.inputs[0];
      continue;
    }
    std::optional<ir::Op> op = std::visit(Widen{}, node.op);
    if (!op) return std::nullopt;
    node.op = *std::move(op);
    folded.nodes.push_back(std::move(node));
  }
  // What nobody makes any more would be in the way of the verifier.
  const bool is_good = ir::Verify(folded).ok();
  return is_good ? std::optional(std::move(folded)) : std::nullopt;
}

}  // namespace msq::fpga
