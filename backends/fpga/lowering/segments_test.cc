// Random networks in memories that hold ever less of them: computed in strips, with tensors in DRAM, bit for bit.
#include "backends/fpga/lowering/segments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "backends/testing/graph_builder.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;
using msq::testing::Codes;
using msq::testing::Draw;
using msq::testing::GraphBuilder;
using msq::testing::Layer;

// Blocks of convolutions, dense and depthwise, with residuals, and with every other operator that works row by row among
// them; outputs of codes or raw sums.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : draw_(seed) {
    const int64_t channels = draw_(1, 40);
    last_ = b_.Input({channels, draw_(12, 24), draw_(5, 12)}, AnyCodes(4));
    std::vector<TensorId> outputs;
    for (int64_t blocks = draw_(2, 4); blocks > 0; --blocks) {
      if (draw_.OneIn(3)) {
        Other(draw_(0, 6));
      } else if (draw_.OneIn(3)) {
        Bottleneck();
      } else if (draw_.OneIn(2)) {
        InvertedResidual();
      } else if (draw_.OneIn(3) && b_.Shape(last_)[1] > 3) {
        last_ = b_.Add(ir::MaxPool{{{2, 3}, {2, 1}, {0, 1, 0, 1}, {1, 1}}}, {last_});
      } else if (draw_.OneIn(2) && b_.Shape(last_)[1] < 25) {
        Branch();
      } else {
        Conv(draw_(1, 60), draw_(0, 1) * 2 + 1, draw_(1, 2));
      }
      if (draw_.OneIn(10)) outputs.push_back(last_);
    }
    if (draw_.OneIn(3)) Head();
    if (outputs.empty() || outputs.back() != last_) outputs.push_back(last_);
    graph_ = std::move(b_).Finish(std::move(outputs));
  }
  const ir::Graph& graph() const { return graph_; }

 private:
  Codes AnyCodes(int bits) { return {bits, static_cast<int>(draw_(0, 15))}; }
  int64_t Channels(TensorId id) const { return b_.Shape(id)[0]; }
  void Conv(int64_t rows, int64_t kernel, int64_t stride, TensorId skip = -1, bool depthwise = false) {
    Layer layer{.groups = depthwise ? Channels(last_) : 1, .seed = Seed(), .addend = 5, .skip = 130'000};
    layer.window = {{kernel, kernel}, {stride, stride}, {}, {1, 1}};
    layer.window.pads.fill(kernel / 2);
    if (kernel > 1 && draw_.OneIn(4)) {
      layer.window.dilations[0] = 2;
      layer.window.pads[0] = layer.window.pads[2] = kernel - 1;
    }
    std::vector<TensorId> inputs = {last_};
    if (skip >= 0) inputs.push_back(skip);
    last_ = b_.Conv(std::move(inputs), rows, layer, AnyCodes(draw_.OneIn(6) ? 8 : 4));
  }
  // What a detector has: an upsampled map beside one of twice its size.
  void Branch() {
    const Codes codes = {b_.Type(last_).bits, b_.Type(last_).zero_point};
    const TensorId large = b_.Add(ir::ResizeNearest{{2, draw_(1, 2)}}, {last_});
    const Layer layer{.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, .seed = Seed(), .addend = 5};
    const TensorId other = b_.Conv({large}, draw_(1, 40), layer, codes);
    last_ = b_.Add(ir::Concat{}, {other, large, other});
  }
  // Operators that are less common.
  void Other(int64_t kind) {
    const Codes codes = {b_.Type(last_).bits, b_.Type(last_).zero_point};
    const int64_t channels = Channels(last_), height = b_.Shape(last_)[1], width = b_.Shape(last_)[2];
    if (kind == 0) {
      const TensorId in = last_;
      Conv(channels, 1, 1);
      ir::Add op{msq::testing::UniformRequantizer(1, 0.6, 1)};
      op.requantizer.skip_multipliers = {50'000};
      last_ = b_.Add(std::move(op), draw_.OneIn(2) ? std::vector{in, last_} : std::vector{last_, in}, AnyCodes(4));
    } else if (kind == 1) {
      ir::Rescale op{msq::testing::UniformRequantizer(draw_.OneIn(2) ? 1 : static_cast<size_t>(channels), 0.7, 1)};
      const size_t entries = op.requantizer.multipliers.size();
      op.requantizer.leaky = {std::vector<int32_t>(entries, 5), std::vector<uint32_t>(entries, 700),
                              op.requantizer.addends};
      last_ = b_.Add(std::move(op), {last_}, AnyCodes(draw_.OneIn(3) ? 8 : 4));
    } else if (kind == 2) {
      const bool padded = draw_.OneIn(2);
      ir::AveragePool op{{{3, 3}, {draw_(1, 2), 1}, {1, 1, 1, 1}, {1, 1}}, padded, {}};
      op.requantizer = msq::testing::UniformRequantizer(padded ? 1 : 9, 1.0 / 9, 1);
      last_ = b_.Add(std::move(op), {last_}, AnyCodes(4));
    } else if (kind == 3) {
      last_ = b_.Add(ir::Pad{{draw_(0, 3), draw_(0, 3), 1}, {1, draw_(0, 3), draw_(0, 2)}}, {last_});
    } else if (kind == 4) {
      last_ = b_.Add(
          ir::Slice{{draw_(0, channels - 1), draw_(0, 3), 1}, {channels, height, width}, {1, draw_(1, 2), 1}}, {last_});
    } else {
      // Of channels in several orders.
      const TensorId in = last_;
      const Layer layer{.schemes = {ir::Scheme::kFixed4, ir::Scheme::kSp2}, .seed = Seed(), .addend = 5};
      const TensorId other = b_.Conv({in}, channels, layer, codes);
      last_ = b_.Add(ir::Concat{kind - 4}, {in, other, in});
    }
  }
  void Head() { last_ = b_.Conv({last_}, draw_(1, 40), {.seed = Seed(), .raw = true}); }
  uint32_t Seed() { return static_cast<uint32_t>(draw_(1, 1000)); }
  void Bottleneck() {
    const TensorId in = last_;
    const int64_t stride = draw_(1, 2), channels = draw_(1, 40);
    Conv(channels, 1, 1);
    Conv(channels, 3, stride);
    const TensorId main = last_;
    TensorId skip = in;
    if (stride != 1 || draw_.OneIn(2)) {
      last_ = in;
      Conv(draw_(1, 80), 1, stride);
      skip = last_;
      last_ = main;
    }
    Conv(Channels(skip), 1, 1, skip);
  }
  void InvertedResidual() {
    const TensorId in = last_;
    const int64_t stride = draw_(1, 2);
    Conv(draw_(1, 100), 1, 1);
    Conv(Channels(last_), 3, stride, -1, true);
    Conv(stride == 1 ? Channels(in) : draw_(1, 40), 1, 1, stride == 1 ? in : -1);
  }

  Draw draw_;
  GraphBuilder b_{"random network"};
  ir::Graph graph_;
  TensorId last_ = -1;
};

TEST(SegmentsTest, RandomNetworksInSmallMemories) {
  int whole = 0, strips = 0, loaded = 0, loaded_inputs = 0, stored_outputs = 0, refused = 0;
  std::map<std::string, int> kinds;  // in strips
  for (uint64_t seed = 1; seed <= 130; ++seed) {
    const RandomNetwork made(seed);
    const ir::Graph& graph = made.graph();
    ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
    const std::vector<reference::Values> inputs = testing::RandomInputs(graph, seed);
    const auto expected = reference::Run(graph, inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    hw::Configuration configuration = testing::Named(std::array{"tiny", "z020", "paper_z020"}[seed % 3]);
    for (int words : {12'000, 2500, 1600, 1100, 800, 600, 400}) {
      configuration.depth = words / configuration.banks;
      const auto program = Lower(graph, configuration);
      if (!program.ok()) {
        ASSERT_EQ(program.status().code(), absl::StatusCode::kResourceExhausted) << program.status();
        ++refused;
        continue;
      }
      bool in_strips = false;
      for (const LayerRecord& layer : program->layers) {
        loaded += layer.load_words > 0 ? 1 : 0;
        const std::vector<std::string> parts = absl::StrSplit(layer.kind, " in ");
        if (parts.size() < 2) continue;
        in_strips = true;
        for (const auto kind : absl::StrSplit(parts[0], ", ")) ++kinds[std::string(kind)];
      }
      ++(in_strips ? strips : whole);
      for (const HostTensor& output : program->outputs) stored_outputs += output.layout.words() > words ? 1 : 0;
      const HostTensor& input = program->inputs[0];
      loaded_inputs += input.layout.words() > words && !input.taps ? 1 : 0;
      for (const auto order : {std::optional<uint64_t>(), std::optional<uint64_t>(seed)}) {
        const auto actual = RunProgram(*program, inputs, order);
        ASSERT_TRUE(actual.ok()) << actual.status() << " seed " << seed;
        ASSERT_EQ(*actual, *expected) << "seed " << seed << " words " << words << (order ? " in a drawn order" : "");
      }
    }
  }
  std::cout << whole << " whole, " << strips << " in strips, " << loaded << " layers loaded, " << loaded_inputs
            << " inputs and " << stored_outputs << " outputs larger than the memory, " << refused << " refused\n";
  EXPECT_GT(whole, 50);
  EXPECT_GT(strips, 50);
  EXPECT_GT(loaded, 50);
  EXPECT_GT(loaded_inputs, 10);
  EXPECT_GT(stored_outputs, 20);
  for (const char* kind :
       {"Conv", "MaxPool", "ResizeNearest", "Concat", "Add", "Rescale", "AveragePool", "Pad", "Slice"}) {
    std::cout << kind << " in strips: " << kinds[kind] << "\n";
    EXPECT_GT(kinds[kind], 10) << kind;
  }
}

hw::Configuration WithWords(const char* name, int words) {
  hw::Configuration configuration = testing::Named(name);
  configuration.depth = CeilDiv(words, configuration.banks);
  return configuration;
}

// More words than LOAD and STORE have for a row: a flat view of a map is loaded as a whole, after a map had to make room.
TEST(SegmentsTest, SpilledGroupsOfManyWords) {
  GraphBuilder b("large groups");
  const TensorId in = b.Input({1, 270, 270});
  const Layer layer{.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, .seed = 2};
  const TensorId map = b.Conv({in}, 20, layer), other = b.Conv({map}, 5, {.seed = 3});
  const TensorId small = b.Add(ir::MaxPool{{{9, 9}, {9, 9}, {}, {1, 1}}}, {other});
  const TensorId flat = b.Add(ir::Reshape{}, {map}, {}, {20, 270 * 270});
  const ir::Graph graph = std::move(b).Finish({small, flat});
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  testing::CheckNetwork(graph, WithWords("tiny", 150'000), 1);
}

// More rows than the fields for a whole image can tell apart.
TEST(SegmentsTest, HighImages) {
  GraphBuilder b("high image");
  const TensorId in = b.Input({3, 5000, 3});
  const TensorId shrunk = b.Add(ir::MaxPool{{{3, 1}, {1, 1}, {1, 0, 1, 0}, {1, 1}}}, {in});
  ir::Add add{msq::testing::UniformRequantizer(1, 0.5, 0)};
  add.requantizer.skip_multipliers = add.requantizer.multipliers;
  const TensorId sum = b.Add(std::move(add), {in, shrunk});
  const TensorId last = b.Conv({sum}, 4, {.window = {{5, 3}, {4, 1}, {2, 1, 2, 1}, {1, 1}}});
  const ir::Graph graph = std::move(b).Finish({last, sum});
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  testing::CheckNetwork(graph, WithWords("tiny", 100'000), 1);
  testing::CheckNetwork(graph, WithWords("tiny", 6000), 1);
}

// Lowers into memories of `from` words and fewer, down to `to`; what fits must compute what the reference does.
void CheckInMemories(const ir::Graph& graph, const char* name, int from, int to) {
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  const std::vector<reference::Values> inputs = testing::RandomInputs(graph, 1);
  const auto expected = reference::Run(graph, inputs);
  ASSERT_TRUE(expected.ok()) << expected.status();
  int in_strips = 0;
  for (int words = from; words >= to; words = words * 7 / 8) {
    const auto program = Lower(graph, WithWords(name, words));
    if (!program.ok()) {
      ASSERT_TRUE(absl::IsResourceExhausted(program.status())) << program.status();
      continue;
    }
    for (const LayerRecord& layer : program->layers) in_strips += absl::StrContains(layer.kind, "strips") ? 1 : 0;
    const auto actual = RunProgram(*program, inputs, 1);
    ASSERT_TRUE(actual.ok()) << actual.status() << " in " << words << " words";
    ASSERT_EQ(*actual, *expected) << words << " words";
  }
  EXPECT_GT(in_strips, 0);
}

// Made in the strips in which it is added, and an output besides.
TEST(SegmentsTest, AResidualThatLivesOn) {
  GraphBuilder b("residual");
  const TensorId in = b.Input({16, 40, 20});
  const TensorId skip = b.Conv({in}, 16, {.window = {{1, 1}, {2, 2}, {}, {1, 1}}, .seed = 2});
  const TensorId main = b.Conv({in}, 64, {.window = {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}, .seed = 3});
  const TensorId sum = b.Conv({main, skip}, 16, {.seed = 4, .skip = 100'000});
  CheckInMemories(std::move(b).Finish({skip, sum}), "tiny", 2000, 400);
}

// The first layer takes over a pooling that follows, but not one that is computed in strips.
TEST(SegmentsTest, PoolingsBehindOtherNodes) {
  GraphBuilder b("two images");
  const TensorId one = b.Input({3, 40, 40}, {8, 0}), other = b.Input({3, 40, 40}, {8, 0});
  const Layer layer{.window = {{7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}}, .seed = 2, .scale = 0.0005};
  const TensorId conv_one = b.Conv({one}, 32, layer), conv_other = b.Conv({other}, 32, layer);
  const ir::MaxPool pool{{{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}};
  const TensorId pooled_one = b.Add(pool, {conv_one}), pooled_other = b.Add(pool, {conv_other});
  ir::Add add{msq::testing::UniformRequantizer(1, 0.5, 0)};
  add.requantizer.skip_multipliers = add.requantizer.multipliers;
  const TensorId sum = b.Add(std::move(add), {pooled_one, pooled_other});
  CheckInMemories(std::move(b).Finish({sum}), "tiny", 4000, 600);
}

// Outputs have tiles that the input has no words for.
TEST(SegmentsTest, PadsOfManyChannels) {
  for (const int64_t more : {16, 32, 64}) {
    GraphBuilder b("pad");
    const TensorId in = b.Input({64, 40, 10});
    const TensorId half = b.Conv({in}, 64, {.window = {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}, .seed = 2});
    const TensorId padded = b.Add(ir::Pad{{0, 0, 0}, {more, 0, 0}}, {half});
    const TensorId last = b.Conv({padded}, 8, {.window = {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}, .seed = 3});
    CheckInMemories(std::move(b).Finish({last}), "tiny", 3000, 400);
  }
}

// No tensor fits, not even the network's input and output.
TEST(SegmentsTest, NothingFitsAsAWhole) {
  GraphBuilder b("large");
  TensorId last = b.Input({16, 64, 64});
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    last = b.Conv({last}, 16, {.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, .seed = seed});
  }
  CheckInMemories(std::move(b).Finish({last}), "tiny", 4000, 1500);
}

// As many maps and rows as detectors have. It takes half a second; the bound leaves room for sanitizers and busy machines.
TEST(SegmentsTest, PlansOfLargeNetworksAreFoundSoon) {
  GraphBuilder b("detector");
  TensorId last = b.Input({3, 640, 640}, {8, 0});
  for (uint32_t n = 0; n < 13; ++n) {
    const int64_t groups = n % 2 == 0 ? 1 : 16;
    last = b.Conv({last}, 16, {.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, .groups = groups, .seed = n + 1});
  }
  const ir::Graph graph = std::move(b).Finish({last});
  const absl::Time begin = absl::Now();
  const auto program = Lower(graph, testing::Named("z020"));
  EXPECT_TRUE(program.ok()) << program.status();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
}

TEST(SegmentsTest, RefusesWideImages) {
  GraphBuilder b("wide image");
  const TensorId in = b.Input({3, 3, 5000});
  const TensorId last = b.Conv({in}, 4, {.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}});
  const ir::Graph graph = std::move(b).Finish({last});
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  const auto program = Lower(graph, WithWords("tiny", 100'000));
  EXPECT_EQ(program.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(program.status().message(), "node 'n0': field out_width of CONV holds at most 4095, not 5000");
}

}  // namespace
}  // namespace msq::fpga
