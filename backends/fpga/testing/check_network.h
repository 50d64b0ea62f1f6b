// Lowers a network, runs it on the functional model and compares it with the reference.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "hw/regs/configurations.h"
#include "model/ir/graph.h"
#include "model/reference/interpreter.h"

namespace msq::fpga::testing {

// Any codes for the graph's inputs.
std::vector<reference::Values> RandomInputs(const ir::Graph& graph, uint64_t seed);

// The configuration of that name, which there must be.
const hw::Configuration& Named(std::string_view name);

// In program order and in `orders` others, as assertions of GoogleTest.
void CheckNetwork(const ir::Graph& graph, const hw::Configuration& configuration, int orders);

}  // namespace msq::fpga::testing
