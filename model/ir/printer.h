// A graph as text, one line a node: for msq-inspect, for logs and for telling two graphs apart with a line diff.
#pragma once

#include <array>
#include <string>

#include "model/ir/graph.h"

namespace msq::ir {

// "u4[64,56,56] scale 0.03125 zero 0" or "acc[10] scales #<checksum>".
std::string ToString(const TensorType& type);

// The weights of a Conv or Dense node, or null.
const Weights* WeightsOf(const Op& op);

// Multiply-accumulates of one sample; 0 for operators without weights.
int64_t MacCount(const Graph& graph, const Node& node);

// Rows per scheme, indexed by Scheme.
std::array<int64_t, numerics::kSchemeCount> RowsByScheme(const Weights& weights);

// Inputs, nodes in order and outputs. Weights, scales of raw outputs and constants enter as checksums: two graphs print
// alike when they compute alike, up to a collision of 64 bits.
std::string Print(const Graph& graph);

}  // namespace msq::ir
