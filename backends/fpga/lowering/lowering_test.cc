// Whole networks: lowered, run on the functional model, compared bit for bit with the reference.
#include "backends/fpga/lowering/lowering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "backends/testing/graph_builder.h"
#include "backends/testing/synthetic_networks.h"
#include "hw/regs/isa.h"
#include "model/ir/verifier.h"
#include "model/reference/interpreter.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;
using msq::testing::Codes;
using msq::testing::Draw;
using msq::testing::GraphBuilder;
using msq::testing::Layer;
using testing::CheckNetwork;

class Network : public ::testing::TestWithParam<std::string> {};

TEST_P(Network, SampleModel) {
  CheckNetwork(msq::testing::SampleModel().graph, testing::Named(GetParam()), 3);
}
TEST_P(Network, ResNetCifar) {
  CheckNetwork(msq::testing::ResNetCifar(3), testing::Named(GetParam()), 1);
}
TEST_P(Network, MobileNetLike) {
  CheckNetwork(msq::testing::MobileNetLike(), testing::Named(GetParam()), 2);
}
TEST_P(Network, LstmGates) {
  CheckNetwork(msq::testing::LstmGates(), testing::Named(GetParam()), 1);
}
TEST_P(Network, Perceptron) {
  CheckNetwork(msq::testing::Perceptron(), testing::Named(GetParam()), 1);
}

// Strips of the first layer: random convolutions, most of them pooled, in memories that hold ever less of them.
class FirstLayerGraph {
 public:
  explicit FirstLayerGraph(uint64_t seed) {
    Draw draw(seed);
    GraphBuilder b("first layer");
    const Codes codes = {draw.OneIn(2) ? 4 : 8, static_cast<int>(draw(0, 15))};
    TensorId last = b.Input({draw(1, 5), draw(9, 24), draw(9, 17)}, codes);
    Layer layer;
    layer.window.kernel = {draw(1, 5), draw(2, 5)};
    layer.window.strides = {draw(1, 3), draw(1, 2)};
    layer.window.dilations[1] = draw(1, 2);
    for (int64_t& pad : layer.window.pads) pad = draw(0, 2);
    last = b.Conv({last}, draw(1, 40), layer);
    pooled_ = !draw.OneIn(4);
    if (pooled_) {
      ir::MaxPool pool;
      pool.window.kernel = {draw(1, 3), draw(1, 3)};
      pool.window.strides = {draw(1, 3), draw(1, 3)};
      for (size_t axis : {0, 1}) {
        pool.window.kernel[axis] = std::min(pool.window.kernel[axis], b.Shape(last)[axis + 1]);
        pool.window.pads[axis] = draw(0, pool.window.kernel[axis] - 1);
        pool.window.pads[axis + 2] = draw(0, pool.window.kernel[axis] - 1);
      }
      last = b.Add(pool, {last});
    }
    graph_ = std::move(b).Finish({last});
  }
  const ir::Graph& graph() const { return graph_; }
  bool pooled() const { return pooled_; }

 private:
  ir::Graph graph_;
  bool pooled_;
};

TEST(LoweringTest, FirstLayerInStrips) {
  int whole = 0, strips = 0, pooled_strips = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    const FirstLayerGraph made(seed);
    const ir::Graph& graph = made.graph();
    ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
    const std::vector<reference::Values> inputs = testing::RandomInputs(graph, seed);
    const auto expected = reference::Run(graph, inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (int depth : {2048, 400, 200, 120, 70}) {
      hw::Configuration configuration = testing::Named("tiny");
      configuration.depth = depth;
      const auto program = Lower(graph, configuration);
      if (!program.ok()) {
        ASSERT_EQ(program.status().code(), absl::StatusCode::kResourceExhausted) << program.status();
        ++refused;
        continue;
      }
      if (program->layers.front().kind == "Conv") continue;  // no fewer steps for its being packed
      const bool one = program->instructions <= (made.pooled() ? 6 : 5);
      ++(one ? whole : made.pooled() ? pooled_strips : strips);
      for (const auto order : {std::optional<uint64_t>(), std::optional<uint64_t>(seed)}) {
        const auto actual = RunProgram(*program, inputs, order);
        ASSERT_TRUE(actual.ok()) << actual.status() << " seed " << seed;
        ASSERT_EQ(*actual, *expected) << "seed " << seed << " depth " << depth << (order ? " in a drawn order" : "");
      }
    }
  }
  EXPECT_GT(whole, 50);
  EXPECT_GT(strips, 10);
  EXPECT_GT(pooled_strips, 50);
  EXPECT_GT(refused, 10);
}

// Branches that are computed where a concatenation wants them, one of them a concatenation itself.
TEST(LoweringTest, ConcatenationInPlace) {
  GraphBuilder b("branches");
  const auto conv = [&b](TensorId in, int64_t rows) { return b.Conv({in}, rows, {.scale = 0.2}, {8, 0}); };
  const TensorId in = b.Input({20, 6, 5}, {8, 0});
  const TensorId left = conv(in, 17);
  const TensorId middle = b.Add(ir::MaxPool{{{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}}, {in});
  const TensorId right = conv(in, 48);
  const TensorId inner = b.Add(ir::Concat{0}, {left, middle});
  const TensorId outer = b.Add(ir::Concat{0}, {right, inner});
  const TensorId last = conv(outer, 9);
  const ir::Graph graph = std::move(b).Finish({last});
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  for (const char* name : {"tiny", "z020", "z045", "paper_z020"}) {
    CheckNetwork(graph, testing::Named(name), 3);
    const auto program = Lower(graph, testing::Named(name));
    ASSERT_TRUE(program.ok()) << program.status();
    int concatenations = 0;
    for (const LayerRecord& layer : program->layers) {
      if (layer.kind != "Concat") continue;
      EXPECT_EQ(layer.vec_words, 0) << layer.node << " on " << name;
      ++concatenations;
    }
    EXPECT_EQ(concatenations, 2);
  }
}

// One vector times one matrix, as in fully connected and recurrent layers: every weight is used once.
struct Gemv {
  int64_t features, rows;
  Codes in;
  bool raw;
};

ir::Graph GemvGraph(const Gemv& gemv) {
  GraphBuilder b("gemv");
  const TensorId in = b.Input({gemv.features}, gemv.in);
  const TensorId out = b.Dense({in}, gemv.rows, {.seed = 7, .raw = gemv.raw}, {8, 128});
  return std::move(b).Finish({out});
}

class GemvTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GemvTest, ComputesAsTheReferenceDoes) {
  for (const Gemv& gemv : {Gemv{512, 2048, {4, 8}, true}, Gemv{512, 2048, {8, 128}, true},
                           Gemv{512, 2048, {4, 8}, false}, Gemv{2048, 512, {8, 0}, false},
                           Gemv{1000, 1001, {4, 3}, false}, Gemv{9, 3, {4, 0}, true}, Gemv{20'000, 40, {4, 0}, true}}) {
    SCOPED_TRACE(std::to_string(gemv.features) + " -> " + std::to_string(gemv.rows));
    const ir::Graph graph = GemvGraph(gemv);
    ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
    CheckNetwork(graph, testing::Named(GetParam()), 1);
  }
}

// DRAM bounds it, so that nothing but weights may travel: each code once, two rows of parameters a tile, and no more passes
// than the input has planes.
TEST_P(GemvTest, StreamsEachWeightOnce) {
  const hw::Configuration& configuration = testing::Named(GetParam());
  for (const int bits : {4, 8}) {
    const Gemv gemv{512, 2048, {bits, 0}, true};
    const auto program = Lower(GemvGraph(gemv), configuration);
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_EQ(program->instructions, 5);  // LOAD, WEIGHTS, CONV, STORE, END
    ASSERT_EQ(program->layers.size(), 1u);
    const LayerRecord& layer = program->layers[0];
    const int64_t tiles = CeilDiv(gemv.rows, configuration.lanes()), groups = gemv.features / kWordChannels;
    EXPECT_EQ(layer.passes, bits / 4);
    EXPECT_EQ(layer.steps, tiles * groups * layer.passes);
    const int64_t port_bytes = tiles * (groups + 2) * configuration.lanes() * kWordBytes / configuration.ports;
    EXPECT_EQ(layer.weight_bytes, RoundUp(port_bytes, 128) * configuration.ports);
    const int64_t cycles = std::max(layer.steps, layer.weight_bytes / (kWordBytes * configuration.ports));
    std::cout << "512 x 2048 of " << bits << "-bit inputs on " << GetParam() << ": " << layer.steps << " steps, "
              << layer.weight_bytes << " bytes of weights, at least " << cycles << " cycles, at most "
              << gemv.features * gemv.rows / cycles << " products a cycle\n";
  }
}

TEST(LoweringTest, RefusesVectorsOfTooManyGroups) {
  const auto program = Lower(GemvGraph({70'000, 1, {4, 0}, true}), testing::Named("z020"));
  EXPECT_EQ(program.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(program.status().message(), "node 'n0': 4375 words of channels at a tap: CONV has at most 4095");
}

// A weight buffer that holds hardly any tile: layers are computed a group of pixels at a time.
TEST(LoweringTest, TilesLargerThanTheWeightBuffer) {
  hw::Configuration configuration = testing::Named("tiny");
  configuration.wdepth = 20;
  CheckNetwork(msq::testing::SampleModel().graph, configuration, 2);
  CheckNetwork(msq::testing::MobileNetLike(), configuration, 1);
  CheckNetwork(msq::testing::ResNetCifar(1), configuration, 1);
}

// A window with more rows of weights than the buffer has takes one group of pixels an instruction, at the borders too.
TEST(LoweringTest, AveragesOfLargeWindowsWithoutPadding) {
  GraphBuilder b("average");
  const TensorId input = b.Input({40, 20, 20});
  ir::AveragePool pool;
  pool.window = {{17, 17}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
  pool.requantizer = msq::testing::UniformRequantizer(17 * 17, 1.0 / (17 * 17 + 1), 0);
  const TensorId output = b.Add(pool, {input});
  const ir::Graph graph = std::move(b).Finish({output});
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  for (const char* name : {"tiny", "z020", "paper_z020"}) {
    const auto inputs = testing::RandomInputs(graph, 3);
    const auto program = Lower(graph, testing::Named(name));
    ASSERT_TRUE(program.ok()) << program.status() << " on " << name;
    const auto actual = RunProgram(*program, inputs, 3);
    ASSERT_TRUE(actual.ok()) << actual.status() << " on " << name;
    EXPECT_EQ(*actual, *reference::Run(graph, inputs)) << name;
  }
}

// Of 100 drawn orders, how many end wrong when some of the waits of an instruction are taken away.
int WrongWithout(const ir::Graph& graph, const char* configuration,
                 const std::function<uint64_t(hw::Opcode, uint64_t)>& remaining) {
  auto program = Lower(graph, testing::Named(configuration));
  EXPECT_TRUE(program.ok()) << program.status();
  for (int64_t i = 0; i < program->instructions; ++i) {
    std::byte* instruction = program->image.data() + i * hw::kInstructionBytes;
    uint64_t waits;
    std::memcpy(&waits, instruction + 8, 8);
    waits = remaining(static_cast<hw::Opcode>(instruction[0]), waits);
    std::memcpy(instruction + 8, &waits, 8);
  }
  const std::vector<reference::Values> inputs = testing::RandomInputs(graph, 1);
  const auto expected = reference::Run(graph, inputs);
  int wrong = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const auto actual = RunProgram(*program, inputs, seed);
    if (!actual.ok() || *actual != *expected) ++wrong;
  }
  return wrong;
}

// The drawn orders must be able to show a missing wait.
TEST(LoweringTest, WaitsAreNeeded) {
  const auto none = [](hw::Opcode, uint64_t) { return uint64_t{0}; };
  EXPECT_GT(WrongWithout(msq::testing::SampleModel().graph, "tiny", none), 50);
}

// Those for the own unit as well, where that has several engines.
TEST(LoweringTest, WaitsForTheOwnUnitAreNeeded) {
  const auto all = [](hw::Opcode, uint64_t waits) { return waits; };
  const auto of_others = [](hw::Opcode opcode, uint64_t waits) {
    if (opcode == hw::Opcode::kLoad) return waits & ~uint64_t{0xffff};
    if (opcode == hw::Opcode::kVec) return waits & ~(uint64_t{0xffff} << 48);
    return waits;
  };
  const ir::Graph graph = msq::testing::SampleModel().graph;
  EXPECT_EQ(WrongWithout(graph, "z045", all), 0);
  EXPECT_GT(WrongWithout(graph, "z045", of_others), 5);
}

TEST(LoweringTest, RefusesWhatDoesNotFit) {
  hw::Configuration configuration = testing::Named("tiny");
  configuration.depth = 20;
  const auto program = Lower(msq::testing::ResNetCifar(1), configuration);
  EXPECT_EQ(program.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(program.status().ToString().find("node 'n"), std::string::npos) << program.status();
}

TEST(LoweringTest, RefusesWhatTheInstructionsCannotExpress) {
  ir::Graph graph = msq::testing::SampleModel().graph;
  graph.nodes.resize(1);
  graph.nodes[0].op = ir::Recurrent{};
  const auto program = Lower(graph, testing::Named("tiny"));
  EXPECT_EQ(program.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(program.status().ToString().find("node '" + graph.nodes[0].name + "'"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, GemvTest, ::testing::Values("tiny", "z020", "z045", "paper_z020", "paper_z045"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(All, Network, ::testing::Values("tiny", "z020", "z045", "paper_z020", "paper_z045"),
                         [](const auto& info) { return info.param; });

// A small file may describe what would take gigabytes to lower.
TEST(LoweringTest, RefusesWhatWouldNotFitIntoTheHost) {
  const auto refusal = [](const ir::Graph& graph) {
    EXPECT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
    const auto program = Lower(graph, testing::Named("z020"));
    EXPECT_EQ(program.status().code(), absl::StatusCode::kUnimplemented);
    return std::string(program.status().message());
  };
  GraphBuilder window("window");
  ir::AveragePool pool{{{700, 700}, {1, 1}, {349, 349, 350, 350}, {1, 1}}, true, {}};
  pool.requantizer = msq::testing::UniformRequantizer(1, 0.5, 0);
  const TensorId pixel = window.Input({4096, 1, 1});
  const TensorId averaged = window.Add(std::move(pool), {pixel});
  EXPECT_EQ(refusal(std::move(window).Finish({averaged})), "node 'n0': a window of 700x700: CONV has at most 31x31");
  GraphBuilder slice("slice");
  const TensorId vector = slice.Input({40'000});
  const TensorId every_other = slice.Add(ir::Slice{{0}, {40'000}, {2}}, {vector});
  EXPECT_EQ(refusal(std::move(slice).Finish({every_other})),
            "node 'n0': zeros between the weights of 20000 rows would take more than 268435456 bytes");
}

}  // namespace
}  // namespace msq::fpga
