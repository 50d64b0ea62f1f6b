#include "backends/fpga/testing/check_network.h"

#include <gtest/gtest.h>

#include <iostream>
#include <optional>
#include <random>
#include <utility>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/run_program.h"
#include "model/numerics/requantize.h"

namespace msq::fpga::testing {

std::vector<reference::Values> RandomInputs(const ir::Graph& graph, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<reference::Values> inputs;
  for (ir::TensorId id : graph.inputs) {
    const ir::TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
    reference::Values values(static_cast<size_t>(ir::ElementCount(type.shape)));
    for (int32_t& value : values) {
      value = static_cast<int32_t>(random() % static_cast<uint64_t>(numerics::MaxCode(type.bits) + 1));
    }
    inputs.push_back(std::move(values));
  }
  return inputs;
}

const hw::Configuration& Named(std::string_view name) {
  return *hw::FindConfiguration(name);
}

void CheckNetwork(const ir::Graph& graph, const hw::Configuration& configuration, int orders) {
  const auto program = Lower(graph, configuration);
  ASSERT_TRUE(program.ok()) << program.status();
  const std::vector<reference::Values> inputs = RandomInputs(graph, 1);
  const auto expected = reference::Run(graph, inputs);
  ASSERT_TRUE(expected.ok()) << expected.status();
  int64_t steps = 0;
  for (const LayerRecord& layer : program->layers) steps += layer.steps;
  std::cout << graph.name << " on " << configuration.name << ": " << program->instructions << " instructions, " << steps
            << " steps, " << program->dram_bytes << " bytes\n";
  for (int order = 0; order <= orders; ++order) {
    const auto seed = order == 0 ? std::nullopt : std::optional<uint64_t>(order);
    const auto actual = RunProgram(*program, inputs, seed);
    ASSERT_TRUE(actual.ok()) << actual.status();
    ASSERT_EQ(*actual, *expected) << "order " << order;
  }
}

}  // namespace msq::fpga::testing
