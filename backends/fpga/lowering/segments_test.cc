// Random networks in memories that hold ever less of them: computed in strips, with tensors in DRAM, bit for bit.
#include "backends/fpga/lowering/segments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "model/ir/shape_inference.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;

// Blocks of convolutions, dense and depthwise, with residuals, poolings, upsampling and concatenations among them; outputs of
// codes or raw sums.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {
    graph_.name = "random network";
    last_ = AddTensor({Draw(1, 40), Draw(12, 24), Draw(5, 12)}, 4);
    graph_.inputs = {last_};
    const int64_t blocks = Draw(2, 4);
    for (int64_t block = 0; block < blocks; ++block) {
      if (Draw(0, 2) == 0) {
        Bottleneck();
      } else if (Draw(0, 1) == 0) {
        InvertedResidual();
      } else if (Draw(0, 2) == 0 && Shape(last_)[1] > 3) {
        MaxPool();
      } else if (Draw(0, 3) == 0 && Shape(last_)[1] < 13) {
        Branch();
      } else {
        Conv(Draw(1, 60), Draw(0, 1) * 2 + 1, Draw(1, 2));
      }
      if (Draw(0, 9) == 0) graph_.outputs.push_back(last_);
    }
    if (Draw(0, 2) == 0) Head();
    if (graph_.outputs.empty() || graph_.outputs.back() != last_) graph_.outputs.push_back(last_);
  }
  const ir::Graph& graph() const { return graph_; }

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
    const TensorId out = AddTensor(*ir::InferShape(op, shapes, {}), bits);
    if (!std::holds_alternative<ir::Conv>(op)) {
      graph_.tensors[static_cast<size_t>(out)].type.zero_point =
          graph_.tensors[static_cast<size_t>(inputs[0])].type.zero_point;
    }
    graph_.nodes.push_back({"n" + std::to_string(graph_.nodes.size()), std::move(op), std::move(inputs), out});
    last_ = out;
  }
  void Conv(int64_t rows, int64_t kernel, int64_t stride, TensorId skip = -1, bool depthwise = false) {
    ir::Conv op;
    const int64_t channels = Shape(last_)[0];
    op.window.kernel = {kernel, kernel};
    op.window.strides = {stride, stride};
    if (kernel > 1 && Draw(0, 3) == 0) op.window.dilations[0] = 2;
    op.window.pads.fill(kernel / 2);
    if (op.window.dilations[0] == 2) op.window.pads[0] = op.window.pads[2] = kernel - 1;
    op.groups = depthwise ? channels : 1;
    const int64_t taps = channels / op.groups * kernel * kernel;
    op.weights = msq::testing::PatternWeights(rows, taps, {ir::Scheme::kSp2, ir::Scheme::kFixed4, ir::Scheme::kSp2},
                                              static_cast<uint32_t>(Draw(1, 1000)));
    ir::Requantizer r = msq::testing::UniformRequantizer(static_cast<size_t>(rows), 0.01, 5);
    if (skip >= 0) r.skip_multipliers.assign(static_cast<size_t>(rows), 130'000);
    op.epilogue = std::move(r);
    std::vector<TensorId> inputs = {last_};
    if (skip >= 0) inputs.push_back(skip);
    AddNode(std::move(op), std::move(inputs), Draw(0, 5) == 0 ? 8 : 4);
  }
  void MaxPool() {
    ir::MaxPool op;
    op.window.kernel = {2, 3};
    op.window.strides = {2, 1};
    op.window.pads = {0, 1, 0, 1};
    AddNode(std::move(op), {last_}, graph_.tensors[static_cast<size_t>(last_)].type.bits);
  }
  // What a detector has: an upsampled map beside one of twice its size.
  void Branch() {
    const TensorId in = last_;
    const int bits = graph_.tensors[static_cast<size_t>(in)].type.bits;
    AddNode(ir::ResizeNearest{{2, Draw(1, 2)}}, {in}, bits);
    const TensorId large = last_;
    Conv(Draw(1, 40), 3, 1);
    const ir::TensorType type = graph_.tensors[static_cast<size_t>(last_)].type;
    if (type.bits != bits) return;
    ir::TensorType& other = graph_.tensors[static_cast<size_t>(last_)].type;
    other.zero_point = graph_.tensors[static_cast<size_t>(large)].type.zero_point;
    AddNode(ir::Concat{}, {last_, large, last_}, bits);
  }
  // Raw sums.
  void Head() {
    ir::Conv op;
    const int64_t rows = Draw(1, 40), channels = Shape(last_)[0];
    op.weights = msq::testing::PatternWeights(rows, channels, {ir::Scheme::kSp2, ir::Scheme::kFixed4}, 3);
    op.epilogue = ir::RawOutput{std::vector<int32_t>(static_cast<size_t>(rows), 77)};
    AddNode(std::move(op), {last_}, 4);
    ir::TensorType type;
    type.kind = ir::TensorType::Kind::kAccumulator;
    type.shape = Shape(last_);
    type.row_scales.assign(static_cast<size_t>(rows), 1.0f);
    graph_.tensors[static_cast<size_t>(last_)].type = std::move(type);
  }
  void Bottleneck() {
    const TensorId in = last_;
    const int64_t stride = Draw(1, 2), channels = Draw(1, 40);
    Conv(channels, 1, 1);
    Conv(channels, 3, stride);
    const TensorId main = last_;
    TensorId skip = in;
    if (stride != 1 || Draw(0, 1) == 0) {
      last_ = in;
      Conv(Draw(1, 80), 1, stride);
      skip = last_;
      last_ = main;
    }
    Conv(Shape(skip)[0], 1, 1, skip);
  }
  void InvertedResidual() {
    const TensorId in = last_;
    const int64_t stride = Draw(1, 2);
    Conv(Draw(1, 100), 1, 1);
    Conv(Shape(last_)[0], 3, stride, -1, true);
    Conv(stride == 1 ? Shape(in)[0] : Draw(1, 40), 1, 1, stride == 1 ? in : -1);
  }

  std::mt19937_64 random_;
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
