// The oracle: executes a graph by the definition of each operator, one sample at a time, never optimised. Every
// backend's bits are compared with it. Linked by tests and tools, never by the daemon.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/ir/graph.h"

namespace msq::reference {

// One value per element, row-major: codes or raw accumulators alike.
using Values = std::vector<int32_t>;

// Runs one sample: one Values per graph input, in order; returns the Values of EVERY tensor, indexed by TensorId.
// INVALID_ARGUMENT when an input does not fit its type, UNIMPLEMENTED for operators without execution (Recurrent).
// Precondition: ir::Verify(graph) is OK.
absl::StatusOr<std::vector<Values>> RunAll(const ir::Graph& graph, std::span<const Values> inputs);

// The same, graph outputs only.
absl::StatusOr<std::vector<Values>> Run(const ir::Graph& graph, std::span<const Values> inputs);

}  // namespace msq::reference
