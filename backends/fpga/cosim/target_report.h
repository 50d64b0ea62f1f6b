// What a network would do on an accelerator, without running it: for msq-inspect --target.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// A table of the layers: kind, rows that must or may use the DSP engine, passes, steps, predicted cycles at 100 MHz with
// the Zynq's DDR3, use of the array, bytes of DRAM. Precondition: ir::Verify(graph) is OK.
absl::StatusOr<std::string> TargetReport(const ir::Graph& graph, const hw::Configuration& configuration);

}  // namespace msq::fpga
