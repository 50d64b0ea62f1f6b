// An activation costs nothing in the requantizer of the node before it: Relu and Clip are its clamp, leaky Relu its second
// multiplier.
#include <variant>

#include "quantizer/passes/passes.h"

namespace msq::quantizer {
namespace {

// Where `producer` keeps an activation that `next` may join, or nullptr.
Activation* Slot(FloatNode& producer, const Activation& next) {
  if (auto* linear = std::get_if<Linear>(&producer.op); linear != nullptr)
    return linear->post ? nullptr : &linear->activation;
  if (auto* sum = std::get_if<Sum>(&producer.op); sum != nullptr) return next.is_leaky() ? nullptr : &sum->activation;
  return std::get_if<Activation>(&producer.op);
}

}  // namespace

void FuseActivations(FloatGraph& graph) {
  for (FloatNode& node : graph.nodes) {
    const auto* activation = std::get_if<Activation>(&node.op);
    if (activation == nullptr || graph.UseCount(node.inputs[0]) != 1) continue;
    const int producer_index = graph.ProducerOf(node.inputs[0]);
    if (producer_index < 0) continue;
    FloatNode& producer = graph.nodes[producer_index];
    Activation* slot = Slot(producer, *activation);
    if (slot == nullptr) continue;
    *slot = Compose(*slot, *activation);
    producer.output = node.output;
    node.output = -1;
  }
  std::erase_if(graph.nodes, [](const FloatNode& node) { return node.output < 0; });
}

}  // namespace msq::quantizer
