// What a network would do on an accelerator, without running it: for msq-inspect --target.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

struct LayerPrediction {
  std::string node;
  std::string kind;                    // "CPU": nothing else is known of it
  int64_t dsp_rows = 0, any_rows = 0;  // of weights: those that must use a DSP lane, and those that any lane can take
  int64_t tiles = 0, passes = 0, steps = 0;
  int64_t cycles = 0;
  int64_t dsp_steps = 0, lut_steps = 0;  // in which the engine has something to do
  int64_t dram_bytes = 0;
};

struct TargetReport {
  std::vector<LayerPrediction> layers;
  int64_t cycles = 0;      // at 100 MHz with the Zynq's DDR3
  int64_t dram_bytes = 0;  // whole bursts and instructions, too
};

// Precondition: ir::Verify(graph) is OK.
absl::StatusOr<TargetReport> PredictOnTarget(const ir::Graph& graph, const hw::Configuration& configuration);

}  // namespace msq::fpga
