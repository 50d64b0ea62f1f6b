// Whole networks: lowered, run on the functional model, compared bit for bit with the reference.
#include "backends/fpga/lowering/lowering.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <string>

#include "backends/fpga/testing/run_program.h"
#include "backends/testing/synthetic_networks.h"
#include "model/numerics/requantize.h"
#include "model/reference/interpreter.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

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

// Lowers and runs the network in program order and in `orders` others.
void Check(const ir::Graph& graph, const hw::Configuration& configuration, int orders) {
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

class Network : public ::testing::TestWithParam<std::string> {};

TEST_P(Network, SampleModel) {
  Check(testing::SampleModel().graph, Named(GetParam()), 3);
}
TEST_P(Network, ResNetCifar) {
  Check(testing::ResNetCifar(3), Named(GetParam()), 1);
}
TEST_P(Network, MobileNetLike) {
  Check(testing::MobileNetLike(), Named(GetParam()), 2);
}
TEST_P(Network, Perceptron) {
  Check(testing::Perceptron(), Named(GetParam()), 1);
}

INSTANTIATE_TEST_SUITE_P(All, Network, ::testing::Values("tiny", "z020", "z045", "paper_z020", "paper_z045"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace msq::fpga
