// y = scale * x + shift after a Conv or Dense is exact in its weights and bias; after its Relu or leaky Relu it is exact in
// the requantizer, which has a multiplier and an addend for either side of zero (N12).
#include <variant>

#include "quantizer/passes/passes.h"

namespace msq::quantizer {
namespace {

void FoldIntoWeights(const Affine& affine, Linear& linear) {
  for (int64_t r = 0; r < linear.rows; ++r) {
    float* row = linear.weights.data() + r * linear.row_length;
    for (int64_t k = 0; k < linear.row_length; ++k) row[k] *= affine.scale[r];
    linear.bias[r] = linear.bias[r] * affine.scale[r] + affine.shift[r];
  }
}

void FoldIntoPost(const Affine& affine, Linear& linear) {
  if (!linear.post) {
    linear.post = affine;
    return;
  }
  for (size_t r = 0; r < affine.scale.size(); ++r) {
    linear.post->scale[r] *= affine.scale[r];
    linear.post->shift[r] = linear.post->shift[r] * affine.scale[r] + affine.shift[r];
  }
}

// True when `linear` took the affine in.
bool Fold(const Affine& affine, const FloatNode& producer, Linear& linear) {
  if (producer.inputs.size() > 1) return false;
  if (linear.activation.is_identity() && !linear.post) {
    FoldIntoWeights(affine, linear);
    return true;
  }
  const bool bounded_below = linear.activation.slope != 0.0f && linear.activation.has_bounds();
  if (linear.activation.has_high() || bounded_below) return false;
  FoldIntoPost(affine, linear);
  return true;
}

}  // namespace

void FoldAffines(FloatGraph& graph) {
  for (FloatNode& node : graph.nodes) {
    const auto* affine = std::get_if<Affine>(&node.op);
    if (affine == nullptr || graph.UseCount(node.inputs[0]) != 1) continue;
    const int producer_index = graph.ProducerOf(node.inputs[0]);
    if (producer_index < 0) continue;
    FloatNode& producer = graph.nodes[producer_index];
    auto* linear = std::get_if<Linear>(&producer.op);
    if (linear == nullptr || !Fold(*affine, producer, *linear)) continue;
    producer.output = node.output;
    node.output = -1;
  }
  std::erase_if(graph.nodes, [](const FloatNode& node) { return node.output < 0; });
}

void LowerAffines(FloatGraph& graph) {
  std::vector<FloatNode> nodes;
  for (FloatNode& node : graph.nodes) {
    auto* affine = std::get_if<Affine>(&node.op);
    if (affine == nullptr) {
      nodes.push_back(std::move(node));
      continue;
    }
    Linear conv;
    conv.rows = conv.groups = static_cast<int64_t>(affine->scale.size());
    conv.row_length = 1;
    conv.weights = std::move(affine->scale);
    conv.bias = std::move(affine->shift);
    conv.aliases = {node.name};
    const ir::Shape shape = graph.shape(node.output);
    if (shape.size() == 3) {
      nodes.push_back({node.name, std::move(conv), node.inputs, node.output});
      continue;
    }
    const ir::Shape image = {conv.rows, ir::ElementCount(shape) / conv.rows, 1};
    const auto in = static_cast<ValueId>(graph.values.size()), out = in + 1;
    graph.values.push_back({node.name + "_in", image});
    graph.values.push_back({node.name + "_out", image});
    nodes.push_back({node.name + "_in", ir::Reshape{}, node.inputs, in});
    nodes.push_back({node.name, std::move(conv), {in}, out});
    nodes.push_back({node.name + "_out", ir::Reshape{}, {out}, node.output});
  }
  graph.nodes = std::move(nodes);
}

}  // namespace msq::quantizer
