// Queries and rewrites that every pass needs.
#include "quantizer/float_graph.h"

#include <algorithm>
#include <cmath>

namespace msq::quantizer {

bool AllModerate(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::fabs(v) <= kLargestModerate; });
}

Activation Compose(const Activation& first, const Activation& second) {
  Activation result;
  result.high = std::min(first.high, second.high);
  result.slope = first.slope * second.slope;
  // A negative v becomes max(slope1 * v, low1), still <= 0, and is then bent and bounded again. 0 * -inf means no bound.
  const float bent = second.slope == 0 ? second.low : first.low * second.slope;
  result.low = std::max(bent, second.low);
  return result;
}

std::string OpName(const FloatOp& op) {
  struct Namer {
    std::string operator()(const Linear& op) const { return op.dense ? "Dense" : "Conv"; }
    std::string operator()(const Affine&) const { return "Affine"; }
    std::string operator()(const Sum&) const { return "Add"; }
    std::string operator()(const Activation&) const { return "Activation"; }
    std::string operator()(const ir::MaxPool&) const { return "MaxPool"; }
    std::string operator()(const ir::AveragePool&) const { return "AveragePool"; }
    std::string operator()(const ir::GlobalAveragePool&) const { return "GlobalAveragePool"; }
    std::string operator()(const ir::Concat&) const { return "Concat"; }
    std::string operator()(const ir::ResizeNearest&) const { return "Resize"; }
    std::string operator()(const ir::Reshape&) const { return "Reshape"; }
    std::string operator()(const ir::Pad&) const { return "Pad"; }
    std::string operator()(const ir::Slice&) const { return "Slice"; }
  };
  return std::visit(Namer{}, op);
}

bool FloatGraph::is_output(ValueId value) const {
  return std::find(outputs.begin(), outputs.end(), value) != outputs.end();
}

int FloatGraph::UseCount(ValueId value) const {
  int count = is_output(value) ? 1 : 0;
  for (const FloatNode& node : nodes) {
    count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), value));
  }
  return count;
}

int FloatGraph::ProducerOf(ValueId value) const {
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].output == value) return static_cast<int>(i);
  }
  return -1;
}

void FloatGraph::ReplaceUses(ValueId from, ValueId to) {
  for (FloatNode& node : nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs.begin(), outputs.end(), from, to);
}

void FloatGraph::RemoveDeadNodes() {
  std::vector<bool> live(values.size(), false);
  for (ValueId output : outputs) live[output] = true;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    if (!live[node->output]) continue;
    for (ValueId input : node->inputs) live[input] = true;
  }
  std::erase_if(nodes, [&live](const FloatNode& node) { return !live[node.output]; });
}

}  // namespace msq::quantizer
