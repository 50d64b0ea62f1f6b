// From a network to a program of the accelerator.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "backends/fpga/lowering/program.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Precondition: ir::Verify(graph) is OK. UNIMPLEMENTED for operators or sizes that the instructions cannot express, with the
// field and its limit; RESOURCE_EXHAUSTED for tensors of which the activation memory holds neither all nor, where that is
// enough, some rows (docs/decisions/0007-maps-in-strips.md). Both name the node.
// `finished`, unless null, is after such an error the first node that could not be lowered with all those before it.
absl::StatusOr<Program> Lower(const ir::Graph& graph, const hw::Configuration& configuration,
                              size_t* finished = nullptr);

}  // namespace msq::fpga
