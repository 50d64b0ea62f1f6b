// Every pass leaves the network's function as it was and does what it is for.
#include "quantizer/passes/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "quantizer/float_executor.h"

namespace msq::quantizer {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

// Builds float graphs layer by layer over an input [4,6,6].
class Network {
 public:
  Network() {
    graph.values.push_back({"x", {4, 6, 6}});
    graph.input = 0;
  }

  ValueId Add(FloatOp op, std::vector<ValueId> inputs, ir::Shape shape) {
    const auto out = static_cast<ValueId>(graph.values.size());
    const std::string name = absl::StrCat("n", out);
    graph.values.push_back({name, std::move(shape)});
    graph.nodes.push_back({name, std::move(op), std::move(inputs), out});
    return out;
  }
  ValueId Conv(ValueId in, int64_t rows, int64_t kernel = 1) {
    const ir::Shape shape = graph.shape(in);
    Linear conv;
    conv.rows = rows;
    conv.row_length = shape[0] * kernel * kernel;
    conv.window.kernel = {kernel, kernel};
    conv.window.pads = {kernel / 2, kernel / 2, kernel / 2, kernel / 2};
    conv.weights = Random(conv.rows * conv.row_length);
    conv.bias = Random(rows);
    return Add(std::move(conv), {in}, {rows, shape[1], shape[2]});
  }
  ValueId Norm(ValueId in) {
    const int64_t channels = graph.shape(in)[0];
    return Add(Affine{Random(channels), Random(channels)}, {in}, graph.shape(in));
  }
  ValueId Relu(ValueId in, float slope = 0.0f) {
    Activation activation{.slope = slope};
    if (slope == 0) activation.low = 0;
    return Add(activation, {in}, graph.shape(in));
  }
  std::vector<float> Random(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(normal(random_));
    return values;
  }
  FloatTensor Evaluate(const FloatTensor& input) const {
    FloatTensor result;
    RunGraph(graph, input, [&](ValueId id, const FloatTensor& tensor) {
      if (id == graph.outputs[0]) result = tensor;
    });
    return result;
  }
  template <typename Op>
  int Count() const {
    int count = 0;
    for (const FloatNode& node : graph.nodes) count += std::holds_alternative<Op>(node.op) ? 1 : 0;
    return count;
  }
  // Runs Simplify and expects the same outputs.
  void SimplifyAndCompare() {
    const FloatTensor input = Random(4 * 6 * 6), before = Evaluate(input);
    Simplify(graph);
    EXPECT_THAT(Evaluate(input), Pointwise(FloatNear(1e-3f), before));
  }

  FloatGraph graph;

 private:
  std::mt19937 random_{11};
};

TEST(Passes, BatchNormFoldsBeforeAndBehindActivations) {
  Network net;
  // Random scales: some rows have a negative gain.
  ValueId v = net.Norm(net.Relu(net.Norm(net.Conv(0, 8, 3))));
  v = net.Norm(net.Relu(net.Conv(v, 8, 3), 0.1f));
  net.graph.outputs = {v};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.graph.nodes.size(), 2u);
  EXPECT_TRUE(std::get<Linear>(net.graph.nodes[0].op).post.has_value());
}

TEST(Passes, BatchNormThatCannotFoldBecomesDepthwise) {
  Network net;
  const ValueId conv = net.Conv(0, 4);
  const ValueId norm = net.Relu(net.Norm(net.Add(ir::MaxPool{}, {conv}, net.graph.shape(conv))));
  net.graph.outputs = {net.Add(Sum{}, {net.Conv(norm, 4), conv}, net.graph.shape(conv))};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.Count<Affine>(), 0);
  EXPECT_EQ(net.Count<Activation>(), 0);
  EXPECT_EQ(net.Count<Linear>(), 3);
  EXPECT_EQ(net.Count<Sum>(), 0);
}

TEST(Passes, AffineOfOneDimensionBecomesDepthwiseBetweenReshapes) {
  Network net;
  const ValueId flat = net.Add(ir::Reshape{}, {0}, {144});
  net.graph.outputs = {net.Norm(flat)};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.Count<Linear>(), 1);
}

TEST(Passes, ResidualFusesWithTheReluBehindIt) {
  Network net;
  const ValueId trunk = net.Relu(net.Conv(0, 8));
  net.graph.outputs = {net.Relu(net.Add(Sum{}, {trunk, net.Norm(net.Conv(trunk, 8, 3))}, {8, 6, 6}))};
  net.SimplifyAndCompare();
  ASSERT_EQ(net.graph.nodes.size(), 2u);
  EXPECT_EQ(net.graph.nodes[1].inputs.size(), 2u);
  EXPECT_EQ(std::get<Linear>(net.graph.nodes[1].op).activation.low, 0.0f);
}

TEST(Passes, ResidualMovesBehindItsOtherOperand) {
  Network net;
  const ValueId early = net.Conv(0, 8), late = net.Relu(net.Conv(0, 8));
  net.graph.outputs = {net.Add(Sum{}, {early, late}, {8, 6, 6})};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.graph.nodes.size(), 2u);
}

TEST(Passes, ResidualDoesNotFuseWhereTheSumIsReadTwiceOrBent) {
  Network net;
  const ValueId a = net.Conv(0, 8), b = net.Relu(net.Conv(0, 8));
  const ValueId sum = net.Add(Sum{}, {a, b}, {8, 6, 6});
  net.graph.outputs = {net.Add(Sum{}, {net.Relu(sum, 0.1f), a}, {8, 6, 6})};  // `a` is read twice
  net.SimplifyAndCompare();
  EXPECT_EQ(net.Count<Sum>(), 2);
  EXPECT_EQ(net.Count<Activation>(), 1);  // leaky and skip exclude each other (N12)
}

TEST(Passes, PaddingFoldsIntoTheConv) {
  Network net;
  const ValueId padded = net.Add(ir::Pad{{0, 1, 0}, {0, 0, 2}}, {0}, {4, 7, 8});
  net.graph.outputs = {net.Conv(padded, 3, 3)};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.graph.nodes.size(), 1u);
}

TEST(Passes, ConvOverOnePixelBecomesDense) {
  Network net;
  const ValueId pooled = net.Add(ir::GlobalAveragePool{}, {0}, {4, 1, 1});
  net.graph.outputs = {net.Add(ir::Reshape{}, {net.Conv(pooled, 10)}, {10})};
  net.SimplifyAndCompare();
  ASSERT_EQ(net.graph.nodes.size(), 3u);
  EXPECT_TRUE(std::get<Linear>(net.graph.nodes[2].op).dense);
}

TEST(Passes, ConcatInputsWithDifferentClampsGetTheirOwnScale) {
  Network net;
  const ValueId clipped = net.Add(Activation{.slope = 0, .low = 0, .high = 6}, {net.Conv(0, 4)}, {4, 6, 6});
  const ValueId open = net.Conv(0, 4);
  net.graph.outputs = {net.Add(ir::Concat{0}, {clipped, open, 0}, {12, 6, 6})};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.Count<Activation>(), 2);  // for the clipped value and for the 8-bit input
}

TEST(Passes, ReluWithASkipSharesNoTypeWithAMixedConcat) {
  Network net;
  const ValueId relu = net.Relu(net.Conv(0, 4)), open = net.Conv(0, 4);
  const ValueId inner = net.Add(ir::Concat{0}, {relu, open}, {8, 6, 6});
  const ValueId skip = net.Relu(net.Add(Sum{}, {net.Conv(relu, 4), relu}, {4, 6, 6}));
  net.graph.outputs = {net.Add(ir::Concat{0}, {inner, skip}, {12, 6, 6})};
  net.SimplifyAndCompare();
  ASSERT_EQ(net.Count<Activation>(), 1);
  EXPECT_EQ(net.graph.nodes.back().inputs[0], inner);
  EXPECT_NE(net.graph.nodes.back().inputs[1], skip);
}

TEST(Passes, ReluWithASkipSharesNoTypeThroughItsNeighbour) {
  Network net;
  const ValueId relu = net.Relu(net.Conv(0, 4)), open = net.Conv(0, 4);
  const ValueId skip = net.Relu(net.Add(Sum{}, {net.Conv(relu, 4), relu}, {4, 6, 6}));
  const ValueId alike = net.Add(ir::Concat{0}, {skip, relu}, {8, 6, 6});
  const ValueId mixed = net.Add(ir::Concat{0}, {relu, open}, {8, 6, 6});
  net.graph.outputs = {net.Add(Sum{}, {net.Conv(alike, 4), net.Conv(mixed, 4)}, {4, 6, 6})};
  net.SimplifyAndCompare();
  EXPECT_EQ(net.Count<Activation>(), 1);
}

TEST(Passes, ReversedChannelsTakeReversedInput) {
  Network net;
  net.graph.outputs = {net.Conv(0, 3, 3)};
  const FloatTensor input = net.Random(144);
  FloatTensor reversed;
  for (int c = 3; c >= 0; --c) reversed.insert(reversed.end(), input.begin() + c * 36, input.begin() + (c + 1) * 36);
  const FloatTensor before = net.Evaluate(input);
  ASSERT_TRUE(ReverseInputChannels(net.graph).ok());
  EXPECT_THAT(net.Evaluate(reversed), Pointwise(FloatNear(1e-4f), before));
  Network pooled;
  pooled.graph.outputs = {pooled.Add(ir::GlobalAveragePool{}, {0}, {4, 1, 1})};
  EXPECT_EQ(ReverseInputChannels(pooled.graph).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Activations, ComposeEqualsOneAfterTheOther) {
  const std::vector<Activation> all = {{},
                                       {.slope = 0, .low = 0},
                                       {.slope = 0.25f},
                                       {.slope = 0, .low = 0, .high = 6},
                                       {.low = -1, .high = 2},
                                       {.slope = 0.5f, .low = -3}};
  for (const Activation& first : all) {
    for (const Activation& second : all) {
      const Activation both = Compose(first, second);
      for (float v = -10; v <= 10; v += 0.25f) EXPECT_FLOAT_EQ(both(v), second(first(v))) << v;
    }
  }
}

}  // namespace
}  // namespace msq::quantizer
