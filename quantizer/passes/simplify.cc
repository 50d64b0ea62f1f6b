// Small exact rewrites, and the order of all passes.
#include <algorithm>
#include <variant>

#include "base/status.h"
#include "quantizer/passes/passes.h"

namespace msq::quantizer {
namespace {

bool IsReshape(const FloatGraph& graph, ValueId value) {
  const int producer = graph.ProducerOf(value);
  return producer >= 0 && std::holds_alternative<ir::Reshape>(graph.nodes[producer].op);
}

// The only reader of `value` when that is a Reshape to one dimension, else -1.
int FlattenOf(const FloatGraph& graph, ValueId value) {
  if (graph.UseCount(value) != 1 || graph.is_output(value)) return -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FloatNode& node = graph.nodes[i];
    if (node.inputs[0] != value) continue;
    return std::holds_alternative<ir::Reshape>(node.op) && graph.shape(node.output).size() == 1 ? static_cast<int>(i)
                                                                                                : -1;
  }
  return -1;
}

void ConvOverPixelToDense(FloatGraph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    auto* linear = std::get_if<Linear>(&graph.nodes[i].op);
    if (linear == nullptr || linear->dense || linear->groups != 1 || graph.nodes[i].inputs.size() != 1) continue;
    const ir::Shape input = graph.shape(graph.nodes[i].inputs[0]);
    if (input[1] != 1 || input[2] != 1 || linear->row_length != input[0] ||
        graph.shape(graph.nodes[i].output)[1] != 1 || graph.shape(graph.nodes[i].output)[2] != 1) {
      continue;
    }
    const int flatten = FlattenOf(graph, graph.nodes[i].output);
    if (flatten < 0) continue;
    linear->dense = true;
    linear->window = {};
    graph.nodes[i].output = graph.nodes[flatten].output;
    const auto flat = static_cast<ValueId>(graph.values.size());
    graph.values.push_back({graph.nodes[i].name + "_flat", {input[0]}});
    FloatNode reshape{graph.nodes[i].name + "_flat", ir::Reshape{}, graph.nodes[i].inputs, flat};
    graph.nodes[i].inputs = {flat};
    graph.nodes.erase(graph.nodes.begin() + flatten);
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i), std::move(reshape));
  }
}

void MergeReshapes(FloatGraph& graph) {
  for (FloatNode& node : graph.nodes) {
    if (!std::holds_alternative<ir::Reshape>(node.op)) continue;
    while (IsReshape(graph, node.inputs[0])) node.inputs[0] = graph.nodes[graph.ProducerOf(node.inputs[0])].inputs[0];
    if (graph.shape(node.inputs[0]) == graph.shape(node.output) && !graph.is_output(node.output)) {
      graph.ReplaceUses(node.output, node.inputs[0]);
    }
  }
  graph.RemoveDeadNodes();
}

// What the codes of a value are clamped by: where they come from, through the operators that keep them as they are.
struct Origin {
  bool is_input = false;
  bool is_mixed = false;  // joined from values of different bounds
  bool has_skip = false;
  Activation activation;
};

bool SameBounds(const Origin& a, const Origin& b) {
  return !a.is_mixed && !b.is_mixed && a.is_input == b.is_input && a.activation.high == b.activation.high &&
         a.activation.low == b.activation.low;
}

Origin Clamp(bool has_skip, Activation activation) {
  if (activation.slope == 0) activation.low = 0;  // nothing below 0 is left
  return {.has_skip = has_skip, .activation = activation};
}

// Of what `node` writes; `origins` holds those of its inputs.
Origin OriginOf(const FloatNode& node, const std::vector<Origin>& origins) {
  if (const auto* linear = std::get_if<Linear>(&node.op)) {
    return Clamp(node.inputs.size() > 1, linear->post ? Activation{} : linear->activation);
  }
  if (const auto* sum = std::get_if<Sum>(&node.op)) return Clamp(true, sum->activation);
  if (const auto* activation = std::get_if<Activation>(&node.op)) return Clamp(false, *activation);
  if (std::holds_alternative<ir::AveragePool>(node.op) || std::holds_alternative<ir::GlobalAveragePool>(node.op))
    return {};
  Origin joined = origins[node.inputs[0]];
  for (ValueId input : node.inputs) {
    if (!SameBounds(joined, origins[input])) return {.is_mixed = true, .activation = {}};
    joined.has_skip = joined.has_skip || origins[input].has_skip;
  }
  return joined;
}

bool HasMixedConcat(const FloatGraph& graph) {
  std::vector<Origin> origins(graph.values.size());
  origins[graph.input].is_input = true;
  for (const FloatNode& node : graph.nodes) {
    origins[node.output] = OriginOf(node, origins);
    if (std::holds_alternative<ir::Concat>(node.op) && origins[node.output].is_mixed) return true;
  }
  return false;
}

// Whether an input of a Concat of `mixed` inputs must not share its type with the others.
bool NeedsOwnType(const Origin& origin, bool mixed) {
  const Activation& activation = origin.activation;
  // A Relu with a skip cannot stand for itself in a signed type (N12), which any tensor of a shared type can make it.
  if (!mixed) return origin.has_skip && activation.has_bounds();
  const bool plain_relu = activation.low == 0 && !activation.has_high() && !origin.has_skip;
  return origin.is_input || (activation.has_bounds() && !plain_relu);
}

}  // namespace

void FoldPads(FloatGraph& graph) {
  for (FloatNode& node : graph.nodes) {
    auto* linear = std::get_if<Linear>(&node.op);
    const int producer = graph.ProducerOf(node.inputs[0]);
    if (linear == nullptr || linear->dense || producer < 0) continue;
    const auto* pad = std::get_if<ir::Pad>(&graph.nodes[producer].op);
    if (pad == nullptr || pad->before[0] != 0 || pad->after[0] != 0) continue;
    for (int i = 0; i < 2; ++i) {
      linear->window.pads[i] += pad->before[i + 1];
      linear->window.pads[i + 2] += pad->after[i + 1];
    }
    node.inputs[0] = graph.nodes[producer].inputs[0];
  }
  graph.RemoveDeadNodes();
}

void SimplifyShapes(FloatGraph& graph) {
  ConvOverPixelToDense(graph);
  MergeReshapes(graph);
}

void SeparateConcatInputs(FloatGraph& graph) {
  if (!HasMixedConcat(graph)) return;
  std::vector<Origin> origins(graph.values.size());
  origins[graph.input].is_input = true;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (std::holds_alternative<ir::Concat>(graph.nodes[i].op)) {
      const bool mixed = OriginOf(graph.nodes[i], origins).is_mixed;
      for (size_t k = 0; k < graph.nodes[i].inputs.size(); ++k) {
        const ValueId input = graph.nodes[i].inputs[k];
        if (!NeedsOwnType(origins[input], mixed)) continue;
        const auto copy = static_cast<ValueId>(graph.values.size());
        const std::string name = graph.values[input].name + "_rescaled";
        graph.values.push_back({name, graph.shape(input)});
        origins.emplace_back();
        graph.nodes[i].inputs[k] = copy;
        FloatNode rescale{name, Activation{}, {input}, copy};
        graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i), std::move(rescale));
        ++i;
      }
    }
    origins[graph.nodes[i].output] = OriginOf(graph.nodes[i], origins);
  }
}

absl::Status ReverseInputChannels(FloatGraph& graph) {
  const int64_t channels = graph.shape(graph.input)[0];
  for (FloatNode& node : graph.nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), graph.input) == node.inputs.end()) continue;
    auto* linear = std::get_if<Linear>(&node.op);
    if (linear == nullptr || linear->dense || linear->groups != 1) {
      return FailedPrecondition("--bgr: the input goes into '", node.name, "' (", OpName(node.op),
                                "), not straight into a convolution; reverse the channels in the network instead");
    }
    const int64_t taps = linear->row_length / channels;
    for (int64_t r = 0; r < linear->rows; ++r) {
      float* row = linear->weights.data() + r * linear->row_length;
      for (int64_t c = 0; c < channels / 2; ++c) {
        std::swap_ranges(row + c * taps, row + (c + 1) * taps, row + (channels - 1 - c) * taps);
      }
    }
  }
  return absl::OkStatus();
}

void Simplify(FloatGraph& graph) {
  FoldAffines(graph);
  FuseActivations(graph);
  FoldAffines(graph);  // BatchNorm behind an activation
  LowerAffines(graph);
  FuseActivations(graph);  // into the convolutions that LowerAffines made
  FoldPads(graph);
  FuseResiduals(graph);
  SimplifyShapes(graph);
  SeparateConcatInputs(graph);
}

}  // namespace msq::quantizer
