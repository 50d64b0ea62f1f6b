// Where each tensor of a graph lives: tensors that are never needed at the same time share memory.
#pragma once

#include <vector>

#include "backends/cpu/step.h"
#include "model/ir/graph.h"

namespace msq::cpu {

struct MemoryPlan {
  std::vector<Buffer> buffers;  // by TensorId
  int64_t bytes = 0;            // of one sample
};

// Every tensor that a node reads or writes, or that the graph takes or gives, has memory from its producer to its last
// reader; graph inputs from the start, graph outputs to the end. Precondition: ir::Verify(graph) is OK.
MemoryPlan PlanMemory(const ir::Graph& graph);

}  // namespace msq::cpu
