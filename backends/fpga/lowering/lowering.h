// From a network to a program of the accelerator.
#pragma once

#include "absl/status/statusor.h"
#include "backends/fpga/lowering/program.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Precondition: ir::Verify(graph) is OK. UNIMPLEMENTED for operators or sizes that the instructions cannot express,
// RESOURCE_EXHAUSTED for tensors that the activation memory cannot hold; both name the node.
absl::StatusOr<Program> Lower(const ir::Graph& graph, const hw::Configuration& configuration);

}  // namespace msq::fpga
