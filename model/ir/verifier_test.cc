#include "model/ir/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/status.h"
#include "model/testing/sample_model.h"

namespace msq::ir {
namespace {

using ::testing::HasSubstr;

Node& FindNode(Graph& graph, std::string_view name) {
  for (Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  ADD_FAILURE() << "no node " << name;
  return graph.nodes[0];
}

TensorType& TypeOf(Graph& graph, std::string_view name) {
  for (Tensor& tensor : graph.tensors) {
    if (tensor.name == name) return tensor.type;
  }
  ADD_FAILURE() << "no tensor " << name;
  return graph.tensors[0].type;
}

Conv& ConvOf(Graph& graph, std::string_view name) {
  return std::get<Conv>(FindNode(graph, name).op);
}
Requantizer& RequantizerOf(Graph& graph, std::string_view name) {
  return std::get<Requantizer>(ConvOf(graph, name).epilogue);
}

TEST(Verifier, AcceptsEveryOperator) {
  EXPECT_EQ(Verify(testing::SampleModel().graph), absl::OkStatus());
}

struct Defect {
  const char* name;
  std::function<void(Graph&)> make;
  const char* message;
};

class VerifierDefect : public ::testing::TestWithParam<Defect> {};

TEST_P(VerifierDefect, IsNamed) {
  Graph graph = testing::SampleModel().graph;
  GetParam().make(graph);
  const absl::Status status = Verify(graph);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().message));
}

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

INSTANTIATE_TEST_SUITE_P(
    Graph, VerifierDefect,
    ::testing::Values(
        Defect{"NoInput", [](Graph& g) { g.inputs.clear(); }, "inputs: there is none"},
        Defect{"NoOutput", [](Graph& g) { g.outputs.clear(); }, "outputs: there is none"},
        Defect{"InputTwice", [](Graph& g) { g.inputs.push_back(g.inputs[0]); }, "listed twice"},
        Defect{"InputMissing", [](Graph& g) { g.inputs[0] = 999; }, "tensor 999 does not exist"},
        Defect{"OutputNegative", [](Graph& g) { g.outputs[0] = -1; }, "tensor -1 does not exist"},
        Defect{"NamelessInput", [](Graph& g) { g.tensors[0].name.clear(); }, "empty or used twice"},
        Defect{"Cycle", [](Graph& g) { g.nodes[0].inputs[0] = g.nodes[0].output; }, "before anything produces it"},
        Defect{"ReadsLater", [](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }, "before anything produces it"},
        Defect{"WritesInput", [](Graph& g) { g.nodes[0].output = g.inputs[0]; }, "has a value already"},
        Defect{"ReadsRawOutput",
               [](Graph& g) {
                 g.nodes.push_back({"again", Reshape{}, {g.outputs[0]}, 0});
               },
               "raw network output"},
        Defect{"TooFewInputs", [](Graph& g) { FindNode(g, "add").inputs.pop_back(); }, "has 1 inputs, takes 2"},
        Defect{"UnproducedOutput",
               [](Graph& g) {
                 g.tensors.push_back({"orphan", g.tensors[0].type});
                 g.outputs[0] = static_cast<TensorId>(g.tensors.size()) - 1;
               },
               "nothing produces 'orphan'"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Types, VerifierDefect,
    ::testing::Values(
        Defect{"Bits", [](Graph& g) { TypeOf(g, "conv").bits = 5; }, "has 5 bits"},
        Defect{"ZeroPoint", [](Graph& g) { TypeOf(g, "conv").zero_point = 16; }, "zero point 16"},
        Defect{"Scale", [](Graph& g) { TypeOf(g, "conv").scale = 0; }, "scale is not a positive number"},
        Defect{"ScaleNan", [](Graph& g) { TypeOf(g, "conv").scale = NAN; }, "scale is not a positive number"},
        Defect{"RowScales", [](Graph& g) { TypeOf(g, "logits").row_scales.pop_back(); }, "row_scales has 9 entries"},
        Defect{"Kind", [](Graph& g) { TypeOf(g, "conv").kind = static_cast<TensorType::Kind>(9); }, "unknown kind 9"},
        Defect{"HugeDimension",
               [](Graph& g) {
                 TypeOf(g, "conv").shape = {kHuge, kHuge, kHuge};
               },
               "dimension"},
        Defect{"ManyElements",
               [](Graph& g) {
                 TypeOf(g, "conv").shape = {1 << 20, 1 << 20, 1};
               },
               "elements"},
        Defect{"NegativeDimension", [](Graph& g) { TypeOf(g, "conv").shape[0] = -8; }, "dimension -8"},
        Defect{"NoDimension", [](Graph& g) { TypeOf(g, "conv").shape.clear(); }, "0 dimensions"},
        Defect{"WrongShape", [](Graph& g) { TypeOf(g, "conv").shape[1] = 9; }, "computes shape [8,8,8]"},
        Defect{"PoolChangesScale", [](Graph& g) { TypeOf(g, "maxpool").scale = 3; },
               "differ in bits, scale or zero point"},
        Defect{"ConcatMixesTypes", [](Graph& g) { TypeOf(g, "average").scale = 3; },
               "differ in bits, scale or zero point"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Operands, VerifierDefect,
    ::testing::Values(
        Defect{"AccumulatorOverflow",
               [](Graph& g) {
                 Dense& dense = std::get<Dense>(FindNode(g, "logits").op);
                 TypeOf(g, "flat").shape = {1 << 12};
                 dense.weights.row_length = 1 << 12;
                 dense.weights.values.assign(static_cast<size_t>(dense.weights.rows) << 12, 8);
                 dense.weights.schemes.assign(10, Scheme::kFixed8);
                 std::fill_n(dense.weights.values.begin(), 1 << 12, int8_t{127});
                 g.nodes = {{"logits", dense, {0}, g.outputs[0]}};
                 g.tensors[0].type.shape = {1 << 12};
               },
               "weights row 0: sum|w| 520192 * max code 255 reaches 2^23 (N8)"},
        Defect{"ValueOutsideScheme", [](Graph& g) { ConvOf(g, "conv").weights.values[0] = 3; },
               "value 3 is not in its scheme's set"},
        Defect{"MissingValues", [](Graph& g) { ConvOf(g, "conv").weights.values.pop_back(); },
               "weights values has 215 entries"},
        Defect{"MissingScheme", [](Graph& g) { ConvOf(g, "conv").weights.schemes.pop_back(); },
               "weights schemes has 7"},
        Defect{"UnknownScheme", [](Graph& g) { ConvOf(g, "conv").weights.schemes[0] = static_cast<Scheme>(77); },
               "unknown scheme 77"},
        Defect{"AlphaNan", [](Graph& g) { ConvOf(g, "conv").weights.alphas[2] = NAN; }, "alpha is not a positive number"},
        Defect{"CodebookTwice", [](Graph& g) { ConvOf(g, "conv").weights.codebooks[0][1] = -100; },
               "holds a value twice"},
        Defect{"NoCodebook", [](Graph& g) { ConvOf(g, "conv").weights.codebook_of_row[4] = 5; },
               "codebook 5 does not exist"},
        Defect{"HugeRows", [](Graph& g) { ConvOf(g, "conv").weights.rows = kHuge; }, "outside"},
        Defect{"Groups", [](Graph& g) { ConvOf(g, "conv").groups = 2; }, "groups 2"},
        Defect{"GroupsZero", [](Graph& g) { ConvOf(g, "conv").groups = 0; }, "groups 0"},
        Defect{"KernelHuge", [](Graph& g) { ConvOf(g, "conv").window.kernel[0] = kHuge; }, "kernel"},
        Defect{"StrideZero", [](Graph& g) { ConvOf(g, "conv").window.strides[0] = 0; }, "stride 0"},
        Defect{"PadNegative", [](Graph& g) { ConvOf(g, "conv").window.pads[3] = -1; }, "pad -1"},
        Defect{"KernelTooLarge",
               [](Graph& g) {
                 ConvOf(g, "conv").window.kernel = {11, 11};
               },
               "does not fit"},
        Defect{"Multiplier", [](Graph& g) { RequantizerOf(g, "conv").multipliers[1] = 1 << 17; },
               "multiplier[1] = 131072"},
        Defect{"MultiplierZero", [](Graph& g) { RequantizerOf(g, "conv").multipliers[1] = 0; }, "multiplier[1] = 0"},
        Defect{"Addend", [](Graph& g) { RequantizerOf(g, "conv").addends[0] = int64_t{1} << 46; }, "reaches 2^46"},
        Defect{"Shift", [](Graph& g) { RequantizerOf(g, "conv").shifts[7] = 47; }, "shift[7] = 47"},
        Defect{"MissingShift", [](Graph& g) { RequantizerOf(g, "conv").shifts.pop_back(); }, "shifts has 7"},
        Defect{"SkipWithoutMultipliers", [](Graph& g) { RequantizerOf(g, "residual").skip_multipliers.clear(); },
               "skip multipliers has 0"},
        Defect{"MultipliersWithoutSkip", [](Graph& g) { FindNode(g, "residual").inputs.pop_back(); },
               "skip multipliers has 8"},
        Defect{"LeakyThreshold", [](Graph& g) { RequantizerOf(g, "depthwise").leaky->thresholds[0] = 1 << 24; },
               "leaky threshold[0]"},
        Defect{"LeakyLength", [](Graph& g) { RequantizerOf(g, "depthwise").leaky->addends.clear(); },
               "leaky addends has 0"},
        Defect{"RawBias",
               [](Graph& g) {
                 std::get<RawOutput>(std::get<Dense>(FindNode(g, "logits").op).epilogue).biases[0] = INT32_MIN;
               },
               "raw output bias[0]"},
        Defect{"PoolMissesImage",
               [](Graph& g) {
                 std::get<MaxPool>(FindNode(g, "maxpool").op).window.pads = {2, 0, 0, 0};
               },
               "miss the image"},
        Defect{"PoolOverflow",
               [](Graph& g) {
                 TypeOf(g, "rescale").shape = {16, 2048, 2048};
                 TypeOf(g, "gap").shape = {16, 1, 1};
                 g.nodes = {FindNode(g, "gap")};
                 g.nodes[0].inputs = {0};
                 g.tensors[0].type.shape = {16, 2048, 1024};
                 g.outputs = {g.nodes[0].output};
                 g.tensors.resize(14);
               },
               "may reach 2^23"},
        Defect{"AverageDilated",
               [](Graph& g) { std::get<AveragePool>(FindNode(g, "average").op).window.dilations = {2, 1}; }, "no dilation"},
        Defect{"AverageEntries",
               [](Graph& g) { std::get<AveragePool>(FindNode(g, "average").op).count_include_pad = false; },
               "multipliers has 1 entries, expected 9"},
        Defect{"SkipMultiplier", [](Graph& g) { RequantizerOf(g, "residual").skip_multipliers[2] = 1 << 17; },
               "skip multiplier[2] = 131072"},
        Defect{"LeakyMultiplier", [](Graph& g) { RequantizerOf(g, "depthwise").leaky->multipliers[1] = 1 << 17; },
               "leaky multiplier[1] = 131072"},
        Defect{"RowScaleZero", [](Graph& g) { TypeOf(g, "logits").row_scales[0] = 0; }, "row scale is not a positive"},
        Defect{"RowScaleNan", [](Graph& g) { TypeOf(g, "logits").row_scales[0] = NAN; }, "row scale is not a positive"},
        Defect{"AlphaNegative", [](Graph& g) { ConvOf(g, "conv").weights.alphas[2] = -1; }, "alpha is not a positive"},
        Defect{"TimeBomb",
               [](Graph& g) {
                 // A hundred bytes that would take days: 2^24 windows of 2^24 taps over one pixel.
                 g.tensors[0].type.shape = {1, 1, 1};
                 g.tensors[1].type = g.tensors[0].type;
                 g.tensors[1].type.shape = {1, 4096, 4096};
                 g.nodes = {{"bomb", MaxPool{{{4096, 4096}, {1, 1}, {4095, 4095, 4095, 4095}, {1, 1}}}, {0}, 1}};
                 g.outputs = {1};
               },
               "products a sample, over 2^40"},
        Defect{"ManyNodes", [](Graph& g) { g.nodes.resize(10000, g.nodes[0]); }, "are too many"},
        Defect{"ManyInputs", [](Graph& g) { g.inputs.resize(300); }, "are too many"},
        Defect{"ManyGroups",
               [](Graph& g) {
                 Conv& conv = ConvOf(g, "conv");
                 g.tensors[0].type.shape = {1 << 18, 1, 1};
                 conv.groups = 1 << 17;
                 conv.weights.rows = 1 << 17;
               },
               "groups 131072 exceed"},
        Defect{"SliceEmpty", [](Graph& g) { std::get<Slice>(FindNode(g, "slice").op).ends[0] = 0; }, "end 0"},
        Defect{"SliceShort", [](Graph& g) { std::get<Slice>(FindNode(g, "slice").op).steps.pop_back(); },
               "do not match"},
        Defect{"PadHuge", [](Graph& g) { std::get<Pad>(FindNode(g, "pad").op).after[0] = kHuge; }, "pad"},
        Defect{"ConcatAxis", [](Graph& g) { std::get<Concat>(FindNode(g, "concat").op).axis = 3; }, "axis 3"},
        Defect{"ResizeZero", [](Graph& g) { std::get<ResizeNearest>(FindNode(g, "resize").op).factors[0] = 0; },
               "factor 0"},
        Defect{"ReshapeCount", [](Graph& g) { TypeOf(g, "flat").shape = {17}; }, "cannot reshape"}),
    [](const auto& info) { return info.param.name; });

TEST(Verifier, BoundIsTight) {  // N8: 2^23 - 1 passes, 2^23 does not
  Graph graph = testing::SampleModel().graph;
  const auto dense = [&](int64_t row_length) {
    Dense op = std::get<Dense>(FindNode(graph, "logits").op);
    op.weights = {1,  row_length, {Scheme::kFixed8}, std::vector<int8_t>(static_cast<size_t>(row_length), 1), {1.0f},
                  {}, {}};
    op.epilogue = RawOutput{{0}};
    TensorType in = TypeOf(graph, "flat"), out = TypeOf(graph, "logits");
    in.shape = {row_length};
    out.shape = {1};
    out.row_scales.resize(1);
    return Graph{"one", {{"x", in}, {"y", out}}, {{"dense", op, {0}, 1}}, {0}, {1}};
  };
  EXPECT_EQ(Verify(dense((1 << 23) / 255)), absl::OkStatus());
  EXPECT_EQ(Verify(dense((1 << 23) / 255 + 1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Verifier, KnowsTheShapeOfRecurrentLayers) {
  const auto graph = [](Recurrent::Cell cell, int64_t gates) {
    Recurrent op;
    op.cell = cell;
    op.direction = Recurrent::Direction::kBidirectional;
    op.hidden_size = 4;
    op.input_weights = testing::PatternWeights(2 * gates * 4, 10, {Scheme::kSp2}, 1);
    op.recurrent_weights = testing::PatternWeights(2 * gates * 4, 4, {Scheme::kFixed4}, 2);
    op.biases.assign(static_cast<size_t>(2 * gates * 4), 0);
    const TensorType in{TensorType::Kind::kCode, {49, 10}, 8, 0.1f, 128, {}};
    const TensorType out{TensorType::Kind::kCode, {49, 8}, 8, 0.01f, 128, {}};
    return Graph{"rnn", {{"x", in}, {"y", out}}, {{"cell", op, {0}, 1}}, {0}, {1}};
  };
  EXPECT_EQ(Verify(graph(Recurrent::Cell::kLstm, 4)), absl::OkStatus());
  EXPECT_EQ(Verify(graph(Recurrent::Cell::kGru, 3)), absl::OkStatus());
  EXPECT_THAT(std::string(Message(Verify(graph(Recurrent::Cell::kLstm, 3)))), HasSubstr("32 gate rows"));
}

}  // namespace
}  // namespace msq::ir
