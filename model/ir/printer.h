// A graph as text, one line a node: for msq-inspect, for logs and for telling two graphs apart with a line diff.
#pragma once

#include <array>
#include <string>

#include "model/ir/graph.h"

namespace msq::ir {

// "u4[64,56,56] scale 0.031 zero 0" or "acc[10]".
std::string ToString(const TensorType& type);

// The weights of a Conv or Dense node, or null.
const Weights* WeightsOf(const Op& op);

// Multiply-accumulates of one sample; 0 for operators without weights.
int64_t MacCount(const Graph& graph, const Node& node);

// Rows per scheme, indexed by Scheme.
std::array<int64_t, numerics::kSchemeCount> RowsByScheme(const Weights& weights);

// Inputs, nodes in order and outputs. Equal text for equal structure; weight values and constants enter as a checksum.
std::string Print(const Graph& graph);

}  // namespace msq::ir
