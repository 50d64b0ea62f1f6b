// Turns a graph into steps: one per node, in order, with weights packed for the chosen kernels.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/memory_plan.h"
#include "backends/cpu/step.h"
#include "model/ir/graph.h"

namespace msq::cpu {

struct Plan {
  MemoryPlan memory;
  std::vector<std::unique_ptr<Step>> steps;
  int64_t scratch_bytes = 0;  // of one thread
};

// UNIMPLEMENTED names the first node that has no step. The plan refers to nothing of the graph. Precondition:
// ir::Verify(graph) is OK.
absl::StatusOr<Plan> MakePlan(const ir::Graph& graph, const KernelTable& kernels);

}  // namespace msq::cpu
