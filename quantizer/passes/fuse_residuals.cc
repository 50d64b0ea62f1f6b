// y = requantize(conv + skip) needs no tensor between the Conv and the Add, so the sum is rounded once instead of twice.
#include <algorithm>
#include <variant>

#include "quantizer/passes/passes.h"

namespace msq::quantizer {
namespace {

// Index of the node that can take the other operand of a Sum in, or -1: its output is used nowhere else and nothing
// happens to it in between. Of two, the later one.
int FindHost(const FloatGraph& graph, const FloatNode& sum) {
  int host = -1;
  for (ValueId operand : sum.inputs) {
    const int index = graph.ProducerOf(operand);
    if (index < 0 || graph.UseCount(operand) != 1) continue;
    const FloatNode& node = graph.nodes[index];
    const auto* linear = std::get_if<Linear>(&node.op);
    if (linear == nullptr || node.inputs.size() != 1 || !linear->activation.is_identity() || linear->post) continue;
    host = std::max(host, index);
  }
  return host;
}

}  // namespace

void FuseResiduals(FloatGraph& graph) {
  for (FloatNode& node : graph.nodes) {
    const auto* sum = std::get_if<Sum>(&node.op);
    if (sum == nullptr) continue;
    const int host_index = FindHost(graph, node);
    if (host_index < 0) continue;
    FloatNode& host = graph.nodes[host_index];
    auto& linear = std::get<Linear>(host.op);
    linear.activation = sum->activation;
    const ValueId other = node.inputs[0] == host.output ? node.inputs[1] : node.inputs[0];
    // The host moves to the Add's place, where the other operand exists.
    node = {std::move(host.name), std::move(linear), {host.inputs[0], other}, node.output};
    host.output = -1;
    host.inputs.clear();
  }
  std::erase_if(graph.nodes, [](const FloatNode& node) { return node.output < 0; });
}

}  // namespace msq::quantizer
