// Reachability over the graph decides "first", "last" and what lies behind the last layer.
#include "quantizer/plan.h"

#include <algorithm>
#include <numeric>
#include <variant>

#include "absl/strings/str_join.h"
#include "base/status.h"

namespace msq::quantizer {
namespace {

// By value: whether a node with weights lies between the network's input and the value (forward), or between the value and
// any output (backward).
struct Reach {
  std::vector<bool> behind_weights;
  std::vector<bool> before_weights;
};

Reach FindReach(const FloatGraph& graph) {
  Reach reach{std::vector<bool>(graph.values.size(), false), std::vector<bool>(graph.values.size(), false)};
  for (const FloatNode& node : graph.nodes) {
    bool behind = std::holds_alternative<Linear>(node.op);
    for (ValueId input : node.inputs) behind = behind || reach.behind_weights[input];
    reach.behind_weights[node.output] = behind;
  }
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool before = std::holds_alternative<Linear>(node->op) || reach.before_weights[node->output];
    for (ValueId input : node->inputs) reach.before_weights[input] = reach.before_weights[input] || before;
  }
  return reach;
}

bool IsNamed(const FloatNode& node, const std::string& name) {
  if (node.name == name) return true;
  const auto* linear = std::get_if<Linear>(&node.op);
  return linear != nullptr && std::find(linear->aliases.begin(), linear->aliases.end(), name) != linear->aliases.end();
}

absl::Status UnknownLayer(const FloatGraph& graph, const std::string& option, const std::string& name,
                          bool only_weights) {
  std::vector<std::string> candidates;
  for (const FloatNode& node : graph.nodes) {
    if (!only_weights || std::holds_alternative<Linear>(node.op)) candidates.push_back(node.name);
  }
  return InvalidArgument(option, ": there is no layer '", name, "'; the layers are ", absl::StrJoin(candidates, ", "));
}

absl::StatusOr<std::vector<bool>> ChooseWeights8(const FloatGraph& graph, const QuantizeOptions& options,
                                                 const Reach& reach) {
  std::vector<bool> result(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FloatNode& node = graph.nodes[i];
    const auto* linear = std::get_if<Linear>(&node.op);
    // A depthwise 1x1 layer is a BatchNorm that could not be folded.
    if (linear != nullptr && linear->is_depthwise()) result[i] = linear->row_length == 1 || options.depthwise_bits == 8;
  }
  for (const std::string& name : options.weights8) {
    bool found = name == "first" || name == "last" || name == "all" || name == "none";
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const FloatNode& node = graph.nodes[i];
      if (!std::holds_alternative<Linear>(node.op)) continue;
      const bool first = !reach.behind_weights[node.inputs[0]], last = !reach.before_weights[node.output];
      const bool meant = name == "all" || (name == "first" && first) || (name == "last" && last) || IsNamed(node, name);
      if (!meant) continue;
      result[i] = found = true;
    }
    if (!found) return UnknownLayer(graph, "--weights8", name, true);
  }
  return result;
}

int Find(std::vector<int>& parent, int value) {
  while (parent[value] != value) value = parent[value] = parent[parent[value]];
  return value;
}

std::vector<int> GroupValues(const FloatGraph& graph) {
  std::vector<int> parent(graph.values.size());
  std::iota(parent.begin(), parent.end(), 0);
  for (const FloatNode& node : graph.nodes) {
    if (!KeepsType(node.op)) continue;
    for (ValueId input : node.inputs) parent[Find(parent, input)] = Find(parent, node.output);
  }
  std::vector<int> group(graph.values.size());
  for (size_t v = 0; v < group.size(); ++v) group[v] = Find(parent, static_cast<int>(v));
  return group;
}

absl::Status ChooseBits(const FloatGraph& graph, const QuantizeOptions& options, const Reach& reach, Plan& plan) {
  plan.bits.assign(graph.values.size(), options.activation_bits);
  plan.bits[plan.group[graph.input]] = 8;
  // Behind the last layer nothing multiplies: 8 bits cost next to nothing.
  for (const FloatNode& node : graph.nodes) {
    if (!reach.before_weights[node.output]) plan.bits[plan.group[node.output]] = 8;
  }
  // Means have few elements and carry much; they keep 8 bits into the layer that reads them.
  for (const FloatNode& node : graph.nodes) {
    if (std::holds_alternative<ir::GlobalAveragePool>(node.op)) plan.bits[plan.group[node.output]] = 8;
  }
  for (const std::string& name : options.activations8) {
    bool found = false;
    for (const FloatNode& node : graph.nodes) {
      if (!IsNamed(node, name) && graph.values[node.output].name != name) continue;
      plan.bits[plan.group[node.output]] = 8;
      found = true;
    }
    if (!found) return UnknownLayer(graph, "--activations8", name, false);
  }
  return absl::OkStatus();
}

}  // namespace

bool KeepsType(const FloatOp& op) {
  return std::holds_alternative<ir::MaxPool>(op) || std::holds_alternative<ir::Concat>(op) ||
         std::holds_alternative<ir::ResizeNearest>(op) || std::holds_alternative<ir::Reshape>(op) ||
         std::holds_alternative<ir::Pad>(op) || std::holds_alternative<ir::Slice>(op);
}

absl::StatusOr<Plan> MakePlan(const FloatGraph& graph, const QuantizeOptions& options) {
  const Reach reach = FindReach(graph);
  Plan plan;
  MSQ_ASSIGN_OR_RETURN(plan.weights8, ChooseWeights8(graph, options, reach));
  plan.group = GroupValues(graph);
  MSQ_RETURN_IF_ERROR(ChooseBits(graph, options, reach, plan));
  plan.raw.assign(graph.values.size(), false);
  for (const FloatNode& node : graph.nodes) {
    const auto* linear = std::get_if<Linear>(&node.op);
    plan.raw[node.output] = linear != nullptr && node.inputs.size() == 1 && linear->activation.is_identity() &&
                            !linear->post && graph.is_output(node.output) && graph.UseCount(node.output) == 1;
  }
  return plan;
}

}  // namespace msq::quantizer
