// One input through a network on a simulated accelerator, measured layer by layer and compared with the reference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hw/regs/configurations.h"
#include "hw/sim/axi_memory.h"
#include "hw/sim/machine_factory.h"
#include "model/ir/graph.h"
#include "model/reference/interpreter.h"

namespace msq::fpga {

struct LayerTime {
  std::string node;
  std::string kind;    // "CPU": the accelerator lacks it
  int64_t begin = 0;   // cycles from the start of the network to the completion of the layer before
  int64_t cycles = 0;  // from there to the completion of its last CONV or VEC
  int64_t steps = 0;   // of the array
  int64_t macs = 0;
  int64_t dram_bytes = 0;  // weights, parameters and the tensors that it moves
};

// A unit's instruction, for the timeline: when it was completed. When it began is not observed.
struct Completion {
  int unit = 0;  // hw::Unit
  int64_t cycle = 0;
};

struct CosimReport {
  int64_t cycles = 0;  // of all programs
  int64_t steps = 0, dsp_busy = 0, lut_busy = 0;
  int64_t stall_weights = 0, stall_drain = 0, stall_bank = 0;
  int64_t dram_bytes = 0;
  int64_t macs = 0;  // on the accelerator
  int64_t values = 0, mismatches = 0;
  std::string first_mismatch;
  std::vector<LayerTime> layers;
  std::vector<Completion> timeline;
  double host_seconds = 0;  // that the programs took to simulate

  bool bit_exact() const { return values > 0 && mismatches == 0; }
};

struct CosimSettings {
  hw::Configuration configuration = {};
  hw::Fidelity fidelity = hw::Fidelity::kModel;
  hw::AxiMemoryOptions memory = {};       // its size and place are set here
  int64_t max_cycles = int64_t{1} << 32;  // of a program
};

// Precondition: ir::Verify(graph) is OK. INTERNAL when a program does not end well.
absl::StatusOr<CosimReport> RunCosim(const ir::Graph& graph, const std::vector<reference::Values>& inputs,
                                     const CosimSettings& settings);

// Codes for every graph input, the same for the same seed.
std::vector<reference::Values> RandomInputs(const ir::Graph& graph, uint64_t seed);

}  // namespace msq::fpga
