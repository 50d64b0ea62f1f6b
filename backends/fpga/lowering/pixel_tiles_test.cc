// Depthwise layers of all shapes: which tiles they get, and bit for bit what they compute.
#include "backends/fpga/lowering/pixel_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "backends/testing/graph_builder.h"
#include "hw/regs/isa.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;
using msq::testing::Codes;
using msq::testing::Draw;
using msq::testing::GraphBuilder;
using msq::testing::Layer;

int64_t PixelsOf(const ir::Window& window, const ChannelwiseShape& shape, const char* configuration) {
  return ChooseChannelwiseTile(window, shape, testing::Named(configuration)).pixels;
}

TEST(PixelTilesTest, TheFasterTileIsChosen) {
  const ir::Window same = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
  EXPECT_EQ(PixelsOf(same, {144, 56, 56, 56}, "z020"), 2);
  EXPECT_EQ(PixelsOf(same, {144, 56, 56, 56}, "z045"), 4);
  EXPECT_EQ(PixelsOf(same, {384, 14, 14, 14}, "z020"), 2);
  EXPECT_EQ(PixelsOf(same, {384, 14, 14, 14}, "z045"), 1);  // no whole tiles of four pixels
  EXPECT_EQ(PixelsOf(same, {960, 7, 7, 7}, "z020"), 1);
  EXPECT_EQ(PixelsOf(same, {960, 6, 6, 6}, "z020"), 2);
  EXPECT_EQ(PixelsOf(same, {960, 2, 2, 2}, "z020"), 1);  // the parameters would take longer
  EXPECT_EQ(PixelsOf({{1, 1}}, {64, 32, 32, 32}, "z020"), 1);
  for (const char* name : {"tiny", "paper_z020", "paper_z045"}) EXPECT_EQ(PixelsOf(same, {144, 56, 56, 56}, name), 1);
  const ir::Window halving = {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}};
  EXPECT_EQ(PixelsOf(halving, {144, 56, 28, 28}, "z020"), 2);
  EXPECT_EQ(PixelsOf(halving, {192, 28, 14, 14}, "z020"), 1);   // pixels at the ends of rows share banks
  EXPECT_EQ(PixelsOf(halving, {192, 112, 56, 56}, "z045"), 1);  // a stride of 8
}

// Input, 1x1 convolution, then a channelwise layer with or without a residual, or an average.
class DepthwiseGraph {
 public:
  explicit DepthwiseGraph(uint64_t seed) : draw_(seed) {
    const int64_t channels = draw_(1, 70);
    last_ = b_.Input({draw_(1, 20), draw_(7, 24), draw_(9, 24)}, AnyCodes(4));
    Conv({}, channels, 1, draw_.OneIn(3) ? 8 : 4);
    in_bits_ = b_.Type(last_).bits;
    window_.kernel = {draw_(1, 4), draw_(1, 5)};
    window_.strides = {draw_(1, 3), draw_(1, 2)};
    window_.dilations = {draw_(1, 2), draw_.OneIn(8) ? 2 : 1};
    for (int64_t& pad : window_.pads) pad = draw_(0, 2);
    const int64_t kind = draw_(0, 7);
    if (kind == 0) {
      window_.dilations = {1, 1};
      for (size_t axis : {0, 1}) {
        window_.pads[axis] = window_.pads[axis + 2] = std::min(window_.pads[axis], window_.kernel[axis] - 1);
      }
      const auto taps = static_cast<double>(window_.kernel[0] * window_.kernel[1]);
      const ir::AveragePool average{window_, true, msq::testing::UniformRequantizer(1, 1.0 / (taps + 1), 0)};
      last_ = b_.Add(average, {last_}, AnyCodes(4));
    } else if (kind == 1) {
      const TensorId in = last_;
      Conv(window_, channels, channels, 4);
      const TensorId other = last_;
      last_ = in;
      Conv(window_, channels, channels, draw_.OneIn(2) ? 8 : 4, other);
    } else {
      raw_ = kind == 2;
      Conv(window_, channels * (kind == 3 ? 2 : 1), channels, draw_.OneIn(3) ? 8 : 4);
    }
    out_bits_ = b_.Type(last_).bits;
    graph_ = std::move(b_).Finish({last_});
  }
  const ir::Graph& graph() const { return graph_; }
  const ir::Window& window() const { return window_; }
  bool raw() const { return raw_; }
  int in_bits() const { return in_bits_; }
  int out_bits() const { return out_bits_; }

 private:
  Codes AnyCodes(int bits) { return {bits, static_cast<int>(draw_(0, 15))}; }
  void Conv(const ir::Window& window, int64_t rows, int64_t groups, int bits, TensorId skip = -1) {
    Layer layer{.window = window, .groups = groups, .seed = static_cast<uint32_t>(draw_(1, 1000))};
    layer.scale = 0.03;
    layer.addend = 5;
    layer.skip = 130'000;
    layer.raw = raw_;
    std::vector<TensorId> inputs = {last_};
    if (skip >= 0) inputs.push_back(skip);
    last_ = b_.Conv(std::move(inputs), rows, layer, AnyCodes(bits));
  }

  Draw draw_;
  GraphBuilder b_{"depthwise"};
  ir::Graph graph_;
  ir::Window window_;
  bool raw_ = false;
  int in_bits_ = 0, out_bits_ = 0;
  TensorId last_ = -1;
};

// The program's CONV instructions whose tiles compute several pixels: a tile's words of channels lie side by side.
int64_t PixelConvs(const Program& program) {
  int64_t count = 0;
  for (int64_t i = 0; i < program.instructions; ++i) {
    hw::Instruction instruction;
    std::memcpy(instruction.data(), program.image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
    hw::ConvFields conv;
    if (!hw::Decode(instruction, &conv)) continue;
    const int banks = program.configuration.banks, pixels = program.configuration.lanes() / 16;
    const int64_t group = hw::JoinAddress(conv.out_group, banks);
    count += hw::JoinAddress(conv.out_pixel, banks) == pixels * group && group == (conv.raw ? 8 : 1) ? 1 : 0;
  }
  return count;
}

TEST(PixelTilesTest, RandomLayersAreAsTheReferenceHasThem) {
  int by_pixels = 0, other = 0, stride2 = 0, wide_in = 0, wide_out = 0, raw = 0, padded = 0, averages = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const DepthwiseGraph made(seed);
    const ir::Graph& graph = made.graph();
    ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph) << " seed " << seed;
    const std::vector<reference::Values> inputs = testing::RandomInputs(graph, seed);
    const auto expected = reference::Run(graph, inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    const auto program = Lower(graph, testing::Named(seed % 3 == 0 ? "z045" : "z020"));
    ASSERT_TRUE(program.ok()) << program.status() << " seed " << seed;
    for (const auto order : {std::optional<uint64_t>(), std::optional<uint64_t>(seed)}) {
      const auto actual = RunProgram(*program, inputs, order);
      ASSERT_TRUE(actual.ok()) << actual.status() << " seed " << seed;
      ASSERT_EQ(*actual, *expected) << "seed " << seed << (order ? " in a drawn order" : "");
    }
    if (PixelConvs(*program) == 0) {
      ++other;
      continue;
    }
    EXPECT_EQ(made.window().dilations[1], 1);
    ++by_pixels;
    stride2 += made.window().strides[1] == 2 ? 1 : 0;
    wide_in += made.in_bits() == 8 ? 1 : 0;
    wide_out += made.out_bits() == 8 ? 1 : 0;
    raw += made.raw() ? 1 : 0;
    padded += made.window().pads[1] > 0 && made.window().pads[3] > 0 ? 1 : 0;
    averages += std::holds_alternative<ir::AveragePool>(graph.nodes.back().op) ? 1 : 0;
  }
  std::cout << by_pixels << " by pixels, " << other << " otherwise; stride 2: " << stride2 << ", 8 bits in: " << wide_in
            << ", out: " << wide_out << ", raw: " << raw << ", padded: " << padded << ", averages: " << averages
            << "\n";
  EXPECT_GT(by_pixels, 50);
  EXPECT_GT(other, 100);
  for (const int count : {stride2, wide_in, wide_out, padded}) EXPECT_GT(count, 10);
  for (const int count : {raw, averages}) EXPECT_GT(count, 3);
}

}  // namespace
}  // namespace msq::fpga
