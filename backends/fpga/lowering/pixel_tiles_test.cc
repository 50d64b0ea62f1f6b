// Depthwise layers of all shapes: which tiles they get, and bit for bit what they compute.
#include "backends/fpga/lowering/pixel_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "hw/regs/isa.h"
#include "model/ir/shape_inference.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;

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
  explicit DepthwiseGraph(uint64_t seed) : random_(seed) {
    graph_.name = "depthwise";
    const int64_t channels = Draw(1, 70);
    last_ = AddTensor({Draw(1, 20), Draw(7, 24), Draw(9, 24)}, 4);
    graph_.inputs = {last_};
    Conv({}, channels, 1, Draw(0, 2) == 0 ? 8 : 4);
    window_.kernel = {Draw(1, 4), Draw(1, 5)};
    window_.strides = {Draw(1, 3), Draw(1, 2)};
    window_.dilations = {Draw(1, 2), Draw(0, 7) == 0 ? 2 : 1};
    for (int64_t& pad : window_.pads) pad = Draw(0, 2);
    const int64_t kind = Draw(0, 7);
    if (kind == 0) {
      window_.dilations = {1, 1};
      for (size_t axis : {0, 1}) {
        window_.pads[axis] = window_.pads[axis + 2] = std::min(window_.pads[axis], window_.kernel[axis] - 1);
      }
      const auto taps = static_cast<double>(window_.kernel[0] * window_.kernel[1]);
      AddNode(ir::AveragePool{window_, true, msq::testing::UniformRequantizer(1, 1.0 / (taps + 1), 0)}, {last_}, 4);
    } else if (kind == 1) {
      const TensorId in = last_;
      Conv(window_, channels, channels, 4);
      const TensorId other = last_;
      last_ = in;
      Conv(window_, channels, channels, Draw(0, 1) == 0 ? 8 : 4, other);
    } else {
      raw_ = kind == 2;
      Conv(window_, channels * (kind == 3 ? 2 : 1), channels, Draw(0, 2) == 0 ? 8 : 4);
    }
    graph_.outputs = {last_};
  }
  const ir::Graph& graph() const { return graph_; }
  const ir::Window& window() const { return window_; }
  bool raw() const { return raw_; }
  int in_bits() const { return graph_.tensors[1].type.bits; }
  int out_bits() const { return graph_.tensors.back().type.bits; }

 private:
  int64_t Draw(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  const ir::Shape& Shape(TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type.shape; }
  TensorId AddTensor(ir::Shape shape, int bits) {
    ir::TensorType type;
    type.shape = std::move(shape);
    type.bits = bits;
    type.zero_point = static_cast<int>(Draw(0, 15));
    graph_.tensors.push_back({"t" + std::to_string(graph_.tensors.size()), std::move(type)});
    return static_cast<TensorId>(graph_.tensors.size() - 1);
  }
  void AddNode(ir::Op op, std::vector<TensorId> inputs, int bits) {
    std::vector<ir::Shape> shapes;
    for (TensorId id : inputs) shapes.push_back(Shape(id));
    last_ = AddTensor(*ir::InferShape(op, shapes, {}), bits);
    graph_.nodes.push_back({"n" + std::to_string(graph_.nodes.size()), std::move(op), std::move(inputs), last_});
  }
  void Conv(const ir::Window& window, int64_t rows, int64_t groups, int bits, TensorId skip = -1) {
    ir::Conv op;
    op.window = window;
    op.groups = groups;
    const int64_t taps = Shape(last_)[0] / groups * window.kernel[0] * window.kernel[1];
    op.weights = msq::testing::PatternWeights(rows, taps, {ir::Scheme::kSp2, ir::Scheme::kFixed4, ir::Scheme::kSp2},
                                              static_cast<uint32_t>(Draw(1, 1000)));
    ir::Requantizer r = msq::testing::UniformRequantizer(static_cast<size_t>(rows), 0.03, 5);
    if (skip >= 0) r.skip_multipliers.assign(static_cast<size_t>(rows), 130'000);
    op.epilogue = std::move(r);
    if (raw_) {
      ir::RawOutput raw;
      for (int64_t row = 0; row < rows; ++row) raw.biases.push_back(static_cast<int32_t>(Draw(-1000, 1000)));
      op.epilogue = std::move(raw);
    }
    std::vector<TensorId> inputs = {last_};
    if (skip >= 0) inputs.push_back(skip);
    AddNode(std::move(op), std::move(inputs), bits);
    if (raw_) {
      ir::TensorType type;
      type.kind = ir::TensorType::Kind::kAccumulator;
      type.shape = Shape(last_);
      type.row_scales.assign(static_cast<size_t>(rows), 1.0f);
      graph_.tensors[static_cast<size_t>(last_)].type = std::move(type);
    }
  }

  std::mt19937_64 random_;
  ir::Graph graph_;
  ir::Window window_;
  bool raw_ = false;
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
