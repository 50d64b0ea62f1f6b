// A network on the simulated accelerator, checked bit for bit against the reference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/fpga/lowering/program.h"
#include "hw/sim/run_program.h"
#include "model/ir/graph.h"
#include "model/reference/interpreter.h"

namespace msq::testing {

struct CosimOptions {
  hw::KernelFactory kernel = nullptr;
  hw::AxiMemoryOptions memory;  // its size and number of ports are set here
  int samples = 1;              // one after the other on the same accelerator
  uint64_t seed = 1;            // of the inputs
  uint64_t max_cycles = 20'000'000;
};

struct CosimResult {
  hw::ProgramRun run;  // of the last sample
  fpga::Program program;
  hw::AxiMemoryStatistics memory;
  int64_t values = 0;      // outputs compared
  int64_t mismatches = 0;  // outputs that differ
  std::string first_mismatch;
};

// INTERNAL when the program does not end well.
absl::StatusOr<CosimResult> Cosimulate(const ir::Graph& graph, const hw::Configuration& configuration,
                                       const CosimOptions& options);

// Codes that the tensor may hold.
reference::Values RandomCodes(const ir::TensorType& type, uint64_t seed);

}  // namespace msq::testing
