// Random networks in memories that hold ever less of them: computed in strips, with tensors in DRAM, bit for bit.
#include "backends/fpga/lowering/segments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "backends/testing/graph_builder.h"
#include "model/ir/verifier.h"

namespace msq::fpga {
namespace {

using ir::TensorId;
using msq::testing::Codes;
using msq::testing::Draw;
using msq::testing::GraphBuilder;
using msq::testing::Layer;

// Blocks of convolutions, dense and depthwise, with residuals, poolings, upsampling and concatenations among them; outputs of
// codes or raw sums.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : draw_(seed) {
    last_ = b_.Input({draw_(1, 40), draw_(12, 24), draw_(5, 12)}, AnyCodes(4));
    std::vector<TensorId> outputs;
    for (int64_t blocks = draw_(2, 4); blocks > 0; --blocks) {
      if (draw_.OneIn(3)) {
        Bottleneck();
      } else if (draw_.OneIn(2)) {
        InvertedResidual();
      } else if (draw_.OneIn(3) && b_.Shape(last_)[1] > 3) {
        last_ = b_.Add(ir::MaxPool{{{2, 3}, {2, 1}, {0, 1, 0, 1}, {1, 1}}}, {last_});
      } else if (draw_.OneIn(4) && b_.Shape(last_)[1] < 13) {
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
  int whole = 0, strips = 0, moved = 0, loaded = 0, stored_outputs = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const RandomNetwork made(seed);
    const ir::Graph& graph = made.graph();
    ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
    const std::vector<reference::Values> inputs = testing::RandomInputs(graph, seed);
    const auto expected = reference::Run(graph, inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    hw::Configuration configuration = testing::Named(std::array{"tiny", "z020", "paper_z020"}[seed % 3]);
    for (int words : {12'000, 2500, 1600, 1100, 800, 600}) {
      configuration.depth = words / configuration.banks;
      const auto program = Lower(graph, configuration);
      if (!program.ok()) {
        ASSERT_EQ(program.status().code(), absl::StatusCode::kResourceExhausted) << program.status();
        ++refused;
        continue;
      }
      const auto& layers = program->layers;
      const bool in_strips = std::any_of(layers.begin(), layers.end(), [](const LayerRecord& layer) {
        return layer.kind.find("strips") != std::string::npos;
      });
      ++(in_strips ? strips : whole);
      for (const LayerRecord& layer : layers) {
        loaded += layer.load_words > 0 ? 1 : 0;
        moved += layer.kind.find("Nodes in") != std::string::npos ? 1 : 0;
      }
      for (const HostTensor& output : program->outputs) stored_outputs += output.layout.words() > words ? 1 : 0;
      for (const auto order : {std::optional<uint64_t>(), std::optional<uint64_t>(seed)}) {
        const auto actual = RunProgram(*program, inputs, order);
        ASSERT_TRUE(actual.ok()) << actual.status() << " seed " << seed;
        ASSERT_EQ(*actual, *expected) << "seed " << seed << " words " << words << (order ? " in a drawn order" : "");
      }
    }
  }
  std::cout << whole << " whole, " << strips << " in strips, " << moved << " with moves in them, " << loaded
            << " layers loaded, " << stored_outputs << " outputs larger than the memory, " << refused << " refused\n";
  EXPECT_GT(whole, 50);
  EXPECT_GT(strips, 50);
  EXPECT_GT(moved, 20);
  EXPECT_GT(loaded, 50);
  EXPECT_GT(stored_outputs, 20);
}

}  // namespace
}  // namespace msq::fpga
