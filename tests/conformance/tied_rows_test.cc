// What the quantizer's tied rows are for: on the accelerator, layers that are added to each other take one pass, and
// depthwise layers have weights that are diagonals.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "quantizer/pipeline.h"

namespace msq::conformance {
namespace {

using quantizer::FloatGraph;
using quantizer::FloatTensor;
using quantizer::ValueId;

// Three blocks with residuals, the last one with a depthwise layer. Rows differ in their spread.
class Blocks {
 public:
  Blocks() {
    graph_.name = "blocks";
    graph_.values = {{"x", {kChannels, 8, 8}}};
    graph_.input = 0;
    const ValueId a = Add(Layer("stem", kChannels, 1, 1), {0});
    const ValueId b = Add(Layer("one", kChannels, 3, 1), {a});
    const ValueId c = Add(Layer("two", kChannels, 3, 1), {b, a});
    const ValueId d = Add(Layer("three", kChannels, 3, 1), {c, c});
    const ValueId e = Add(Layer("wide", 3 * kChannels, 1, 1), {d});
    const ValueId f = Add(Layer("depthwise", 3 * kChannels, 3, 3 * kChannels), {e});
    graph_.outputs = {Add(Layer("last", kChannels, 1, 1), {f, d})};
  }
  const FloatGraph& graph() const { return graph_; }
  std::vector<FloatTensor> Samples() {
    std::vector<FloatTensor> samples(16);
    for (FloatTensor& sample : samples) {
      for (int i = 0; i < kChannels * 64; ++i) sample.push_back(std::fabs(Normal(1.0f)));
    }
    return samples;
  }

 private:
  static constexpr int64_t kChannels = 32;

  float Normal(float sigma) { return std::normal_distribution<float>(0, sigma)(random_); }

  quantizer::FloatNode Layer(std::string name, int64_t rows, int64_t kernel, int64_t groups) {
    const int64_t channels = graph_.values.back().shape[0];
    quantizer::Linear linear;
    linear.window.kernel = {kernel, kernel};
    linear.window.pads.fill(kernel / 2);
    linear.groups = groups;
    linear.rows = rows;
    linear.row_length = channels / groups * kernel * kernel;
    for (int64_t r = 0; r < rows; ++r) {
      const float sigma = std::exp(Normal(0.5f)) / std::sqrt(static_cast<float>(linear.row_length));
      for (int64_t i = 0; i < linear.row_length; ++i) linear.weights.push_back(Normal(sigma));
    }
    linear.bias.assign(static_cast<size_t>(rows), 0.1f);
    linear.activation = {.slope = 0.0f};
    return {std::move(name), std::move(linear), {}, -1};
  }
  ValueId Add(quantizer::FloatNode node, std::vector<ValueId> inputs) {
    ir::Shape shape = graph_.shape(inputs[0]);
    shape[0] = std::get<quantizer::Linear>(node.op).rows;
    node.inputs = std::move(inputs);
    node.output = static_cast<ValueId>(graph_.values.size());
    graph_.values.push_back({node.name + " output", std::move(shape)});
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().output;
  }

  std::mt19937 random_{1};
  FloatGraph graph_;
};

// Layers of 4-bit inputs by passes, and bytes of the depthwise layer's weights.
struct Cost {
  int one_pass = 0, more = 0;
  int64_t depthwise_bytes = 0;
};

Cost CostOf(bool tied_rows, const hw::Configuration& configuration) {
  Blocks blocks;
  quantizer::QuantizeOptions options;
  options.weights8 = {"none"};
  options.tied_rows = tied_rows;
  const auto quantized = quantizer::QuantizeGraph(blocks.graph(), blocks.Samples(), options);
  EXPECT_TRUE(quantized.ok()) << quantized.status();
  fpga::testing::CheckNetwork(quantized->model.graph, configuration, 1);
  const auto program = fpga::Lower(quantized->model.graph, configuration);
  EXPECT_TRUE(program.ok()) << program.status();
  Cost cost;
  for (const fpga::LayerRecord& layer : program->layers) {
    if (layer.node == "stem") continue;  // of 8-bit inputs
    ++(layer.passes == 1 ? cost.one_pass : cost.more);
    if (layer.node == "depthwise") cost.depthwise_bytes = layer.weight_bytes;
  }
  return cost;
}

TEST(TiedRows, SaveSecondPassesAndDepthwiseWeights) {
  for (const char* name : {"z020", "z045"}) {
    SCOPED_TRACE(name);
    const Cost tied = CostOf(true, fpga::testing::Named(name)), independent = CostOf(false, fpga::testing::Named(name));
    EXPECT_EQ(tied.more, 0);
    EXPECT_EQ(tied.one_pass, 6);
    EXPECT_GT(independent.more, 1);
    EXPECT_LT(2 * tied.depthwise_bytes, independent.depthwise_bytes);
  }
}

}  // namespace
}  // namespace msq::conformance
