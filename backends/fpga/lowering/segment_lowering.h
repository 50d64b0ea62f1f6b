// The instructions of a segment that is computed strip by strip.
#pragma once

#include "absl/status/status.h"
#include "backends/fpga/lowering/graph_lowering.h"
#include "backends/fpga/lowering/segments.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Leaves what later segments read with `state`: in the activation memory as a whole, or in DRAM. RESOURCE_EXHAUSTED if
// there is no room for the strips.
absl::Status LowerInStrips(const ir::Graph& graph, const Segment& segment, GraphLowering* state);

}  // namespace msq::fpga
