// A folded network gives each sample what the network itself gives it.
#include "backends/fpga/lowering/batch_folding.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/testing/graph_builder.h"
#include "backends/testing/synthetic_networks.h"
#include "model/reference/interpreter.h"

namespace msq::fpga {
namespace {

using ::msq::testing::Draw;
using ::msq::testing::GraphBuilder;
using reference::Values;

// All samples' values of one input, of every input.
using Samples = std::vector<std::vector<Values>>;

Samples Draws(const ir::Graph& graph, int64_t samples) {
  Draw draw(5);
  Samples drawn;
  for (ir::TensorId id : graph.inputs) {
    const ir::TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
    std::vector<Values>& of_input = drawn.emplace_back(samples, Values(static_cast<size_t>(type.ByteSize())));
    for (Values& values : of_input) {
      for (int32_t& value : values) value = static_cast<int32_t>(draw(0, (1 << type.bits) - 1));
    }
  }
  return drawn;
}

// Checks each output of each sample. Returns how many values.
size_t ExpectSame(const ir::Graph& graph, int64_t samples) {
  const auto folded = FoldBatch(graph, samples);
  if (!folded) return 0;
  const Samples inputs = Draws(graph, samples);
  std::vector<Values> wide;
  for (const std::vector<Values>& of_input : inputs) {
    Values& values = wide.emplace_back();
    for (size_t c = 0; c < of_input[0].size(); ++c) {
      for (const Values& sample : of_input) values.push_back(sample[c]);
    }
  }
  const std::vector<Values> got = *reference::Run(*folded, wide);
  size_t checked = 0;
  for (size_t s = 0; s < static_cast<size_t>(samples); ++s) {
    std::vector<Values> one;
    for (const std::vector<Values>& of_input : inputs) one.push_back(of_input[s]);
    const std::vector<Values> expected = *reference::Run(graph, one);
    for (size_t o = 0; o < expected.size(); ++o) {
      for (size_t c = 0; c < expected[o].size(); ++c, ++checked) {
        EXPECT_EQ(got[o][c * static_cast<size_t>(samples) + s], expected[o][c]) << "output " << o << " sample " << s;
      }
    }
  }
  return checked;
}

// Two inputs, a residual, changes of shape, a concatenation; codes and sums out.
ir::Graph ManyOperators() {
  GraphBuilder b("many");
  const ir::TensorId first = b.Input({24}), second = b.Input({24, 1, 1}, {8, 3});
  const ir::TensorId dense = b.Dense({first}, 24, {.seed = 2});
  const ir::TensorId image = b.Add(ir::Reshape{}, {dense}, {}, {24, 1, 1});
  const ir::TensorId conv = b.Conv({second, image}, 24, {.seed = 3});
  const ir::TensorId flat = b.Add(ir::Reshape{}, {conv}, {}, {24});
  const ir::TensorId both = b.Add(ir::Concat{.axis = 0}, {dense, flat});
  const ir::TensorId last = b.Dense({both}, 10, {.seed = 4, .raw = true});
  return std::move(b).Finish({last, conv, dense});
}

TEST(BatchFoldingTest, SamplesAreWhatTheyWereAlone) {
  EXPECT_EQ(ExpectSame(ManyOperators(), 1), 58u);
  EXPECT_EQ(ExpectSame(ManyOperators(), 7), 7 * 58u);
  EXPECT_EQ(ExpectSame(msq::testing::Perceptron(), 3), 30u);
}

TEST(BatchFoldingTest, WhatLooksBeyondAPixelStaysAsItIs) {
  EXPECT_FALSE(FoldBatch(msq::testing::ResNetCifar(1), 4));
  EXPECT_FALSE(FoldBatch(msq::testing::LstmGates(), 4));  // an input of several pixels
  GraphBuilder padded("padded");
  const ir::TensorId in = padded.Input({16, 1, 1});
  const ir::TensorId out = padded.Conv({in}, 16, {.window = {.kernel = {3, 3}, .pads = {1, 1, 1, 1}}});
  EXPECT_FALSE(FoldBatch(std::move(padded).Finish({out}), 4));
}

}  // namespace
}  // namespace msq::fpga
