// Proves that a graph is safe and exact to execute: shapes, types, operand widths and accumulator bounds.
// Everything that executes a graph (backends, reference, lowering) relies on this proof and checks nothing again.
#pragma once

#include "absl/status/status.h"
#include "model/ir/graph.h"

namespace msq::ir {

// OK, or INVALID_ARGUMENT whose message starts with the path of the defect, e.g.
// "nodes[3] 'layer1.0.conv1': weights row 5: sum|w| 70000 * max code 255 reaches 2^23 (N8)".
// Never aborts and takes time linear in the graph's size, whatever the graph contains.
absl::Status Verify(const Graph& graph);

}  // namespace msq::ir
