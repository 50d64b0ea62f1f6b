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

// What the codes of `value` are clamped by: where they come from, through the operators that keep them as they are.
struct Origin {
  bool is_input = false;
  bool has_skip = false;
  Activation activation;
};

Origin OriginOf(const FloatGraph& graph, ValueId value) {
  for (int index = graph.ProducerOf(value); index >= 0; index = graph.ProducerOf(value)) {
    const FloatNode& node = graph.nodes[index];
    if (const auto* linear = std::get_if<Linear>(&node.op)) {
      return {false, node.inputs.size() > 1, linear->post ? Activation{} : linear->activation};
    }
    if (const auto* sum = std::get_if<Sum>(&node.op)) return {false, true, sum->activation};
    if (const auto* activation = std::get_if<Activation>(&node.op)) return {false, false, *activation};
    if (std::holds_alternative<ir::AveragePool>(node.op) || std::holds_alternative<ir::GlobalAveragePool>(node.op))
      return {};
    value = node.inputs[0];
  }
  return {true, false, {}};
}

bool SameBounds(const Origin& a, const Origin& b) {
  return a.is_input == b.is_input && a.activation.high == b.activation.high && a.activation.low == b.activation.low;
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
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!std::holds_alternative<ir::Concat>(graph.nodes[i].op)) continue;
    std::vector<Origin> origins;
    for (ValueId input : graph.nodes[i].inputs) origins.push_back(OriginOf(graph, input));
    const bool uniform = std::all_of(origins.begin(), origins.end(),
                                     [&origins](const Origin& origin) { return SameBounds(origin, origins[0]); });
    if (uniform) continue;
    for (size_t k = 0; k < origins.size(); ++k) {
      const Activation& activation = origins[k].activation;
      const bool plain_relu = activation.low == 0 && !activation.has_high() && !origins[k].has_skip;
      if (!origins[k].is_input && (plain_relu || !activation.has_bounds())) continue;
      const FloatNode& concat = graph.nodes[i];
      const auto copy = static_cast<ValueId>(graph.values.size());
      const std::string name = graph.values[concat.inputs[k]].name + "_rescaled";
      graph.values.push_back({name, graph.shape(concat.inputs[k])});
      FloatNode rescale{name, Activation{}, {concat.inputs[k]}, copy};
      graph.nodes[i].inputs[k] = copy;
      graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i), std::move(rescale));
      ++i;
    }
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
