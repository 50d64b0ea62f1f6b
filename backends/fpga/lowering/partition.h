// Cuts a network into what an accelerator runs and what is left for the CPU.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/fpga/lowering/program.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Consecutive nodes of a network, as a network of their own.
struct Stage {
  ir::Graph graph = {};
  // Which tensors of the whole network its inputs and outputs are, by position.
  std::vector<ir::TensorId> inputs = {}, outputs = {};
  std::optional<Program> program = {};  // of the accelerator; none: for the CPU
  // Where FoldBatch can: the program for `fold` samples at a time, which takes hardly longer than for one.
  std::optional<Program> folded = {};
  int64_t fold = 1;
};

// Stages in order of execution; one, if the accelerator can run everything. Nodes without weights are left to it only
// beside such with weights. Errors: those of Lower that are not about what the accelerator lacks.
absl::StatusOr<std::vector<Stage>> Partition(const ir::Graph& graph, const hw::Configuration& configuration);

}  // namespace msq::fpga
