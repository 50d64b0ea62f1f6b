// Damaged, hostile and unsupported ONNX: a clear error each, never a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "quantizer/onnx_import.h"
#include "quantizer/onnx_test_model.h"

namespace msq::quantizer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

OnnxTestModel SmallNetwork() {
  OnnxTestModel model(13, {0, 2, 4, 4});
  model.Floats("w", {3, 2, 1, 1}, {1, 2, 3, 4, 5, 6});
  model.Floats("g", {3}, {1, 1, 1});
  model.Node("Conv", {"x", "w"}, "c");
  model.Node("BatchNormalization", {"c", "g", "g", "g", "g"}, "b");
  model.Node("Relu", {"b"}, "r");
  model.Node("GlobalAveragePool", {"r"}, "p");
  model.Node("Flatten", {"p"}, "y");
  model.Output("y");
  return model;
}

absl::Status ImportStatus(const OnnxTestModel& model) {
  return ImportOnnx(model.Bytes()).status();
}

std::string Error(const OnnxTestModel& model) {
  return std::string(ImportStatus(model).message());
}

TEST(OnnxBadInput, EveryTruncationIsAnErrorOrAWholeModel) {
  const std::string bytes = SmallNetwork().Bytes();
  ASSERT_TRUE(ImportOnnx(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto graph = ImportOnnx(std::string_view(bytes).substr(0, size));
    if (graph.ok()) continue;  // cut between fields: what is left may be a model of its own
    EXPECT_FALSE(graph.status().message().empty()) << size;
  }
  EXPECT_FALSE(ImportOnnx("").ok());
  EXPECT_FALSE(ImportOnnx(bytes.substr(0, bytes.size() / 2)).ok());
}

TEST(OnnxBadInput, EveryFlippedBitIsSurvived) {
  const std::string bytes = SmallNetwork().Bytes();
  int refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      refused += ImportOnnx(damaged).ok() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, static_cast<int>(bytes.size()));  // flips inside weights and names may pass
}

TEST(OnnxBadInput, RandomBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_FALSE(ImportOnnx(bytes).ok());
  }
}

TEST(OnnxBadInput, UnsupportedOperatorNamesNodeAndWhatToDo) {
  OnnxTestModel model = SmallNetwork();
  model.Node("Einsum", {"y"}, "z");
  model.Output("z");
  EXPECT_EQ(ImportStatus(model).code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(Error(model), AllOf(HasSubstr("node 'node_z' (Einsum, opset 13)"), HasSubstr("Supported: Add,"),
                                  HasSubstr("export again")));
}

TEST(OnnxBadInput, RecurrentLayersAreNamed) {
  OnnxTestModel model(13, {5, 0, 4});
  model.Node("LSTM", {"x", "w", "r"}, "y");
  model.Output("y");
  EXPECT_THAT(Error(model), HasSubstr("node 'node_y' (LSTM, opset 13): recurrent layers are not executable yet"));
}

TEST(OnnxBadInput, OpsetOutsideTheRange) {
  for (const int opset : {6, 18}) {
    OnnxTestModel model(opset);
    model.Node("Relu", {"x"}, "y");
    model.Output("y");
    EXPECT_THAT(Error(model), AllOf(HasSubstr("opset " + std::to_string(opset)), HasSubstr("opset_version=17")));
  }
}

TEST(OnnxBadInput, ExternalDataIsRefused) {
  OnnxTestModel model = SmallNetwork();
  model.model.mutable_graph()->mutable_initializer(0)->set_data_location(onnx::TensorProto::EXTERNAL);
  EXPECT_THAT(Error(model), AllOf(HasSubstr("tensor 'w'"), HasSubstr("another file")));
}

TEST(OnnxBadInput, TensorsWhoseSizeAndShapeDisagree) {
  OnnxTestModel model = SmallNetwork();
  model.model.mutable_graph()->mutable_initializer(0)->set_dims(0, 4);
  EXPECT_THAT(Error(model), AllOf(HasSubstr("tensor 'w'"), HasSubstr("damaged")));
  for (const int64_t dim : {int64_t{-1}, int64_t{1} << 62}) {
    model.model.mutable_graph()->mutable_initializer(0)->set_dims(0, dim);
    EXPECT_THAT(Error(model), HasSubstr("impossible dimension"));
  }
}

TEST(OnnxBadInput, InputsWithoutAFixedSize) {
  OnnxTestModel dynamic(13, {0, 3, 0, 8});
  dynamic.Node("Relu", {"x"}, "y");
  dynamic.Output("y");
  EXPECT_THAT(Error(dynamic), HasSubstr("input 'x' has no fixed size in dimension 2"));
  OnnxTestModel huge(13, {0, 1 << 20, 1 << 20, 1 << 20});
  huge.Node("Relu", {"x"}, "y");
  huge.Output("y");
  EXPECT_THAT(Error(huge), HasSubstr("input 'x'"));
}

TEST(OnnxBadInput, HostileAttributes) {
  const auto conv_with = [](std::string_view attribute, const std::vector<int64_t>& values) {
    OnnxTestModel model(13, {0, 2, 4, 4});
    model.Floats("w", {3, 2, 1, 1}, {1, 2, 3, 4, 5, 6});
    SetInts(model.Node("Conv", {"x", "w"}, "y"), attribute, values);
    model.Output("y");
    return Error(model);
  };
  constexpr int64_t kBig = int64_t{1} << 62;
  EXPECT_THAT(conv_with("strides", {0, 1}), HasSubstr("'strides'"));
  EXPECT_THAT(conv_with("pads", {kBig, 0, 0, 0}), HasSubstr("'pads'"));
  EXPECT_THAT(conv_with("dilations", {-1, 1}), HasSubstr("'dilations'"));
  EXPECT_THAT(conv_with("kernel_shape", {kBig, kBig}), HasSubstr("'kernel_shape'"));
  EXPECT_THAT(conv_with("kernel_shape", {3, 3}), HasSubstr("kernel_shape disagrees"));
}

TEST(OnnxBadInput, HostileShapes) {
  OnnxTestModel reshape(13, {0, 2, 2, 2});
  reshape.Ints("target", {1, int64_t{1} << 62, 4});
  reshape.Node("Reshape", {"x", "target"}, "y");
  reshape.Output("y");
  EXPECT_THAT(Error(reshape), HasSubstr("node 'node_y' (Reshape, opset 13)"));
  OnnxTestModel pad(13, {0, 2, 2, 2});
  pad.Ints("pads", {0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20});
  pad.Node("Pad", {"x", "pads"}, "y");
  pad.Output("y");
  EXPECT_FALSE(ImportStatus(pad).ok());
  OnnxTestModel fill(13, {0, 2, 2, 2});
  fill.Ints("dims", {int64_t{1} << 31, int64_t{1} << 31});
  fill.Node("ConstantOfShape", {"dims"}, "y");
  fill.Output("y");
  EXPECT_THAT(Error(fill), HasSubstr("more than 65536 elements"));
}

TEST(OnnxBadInput, ConstantsThatDoNotGoTogether) {
  const auto weights_from = [](const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
    OnnxTestModel model(13, {0, 2});
    model.Floats("a", a, std::vector<float>(static_cast<size_t>(ir::ElementCount(a)), 1));
    model.Floats("b", b, std::vector<float>(static_cast<size_t>(ir::ElementCount(b)), 1));
    model.Node("Add", {"a", "b"}, "w");
    model.Node("Gemm", {"x", "w"}, "y");
    model.Output("y");
    return Error(model);
  };
  EXPECT_EQ(weights_from({2, 1}, {1, 2}), "");
  EXPECT_THAT(weights_from({2, 2}, {2, 3}), HasSubstr("node 'node_w' (Add, opset 13)"));
  EXPECT_THAT(weights_from({0}, {1, 1}), HasSubstr("empty constant"));
  EXPECT_THAT(weights_from({65536, 1}, {1, 65536}), HasSubstr("too many constants"));
}

TEST(OnnxBadInput, FoldingHasABudget) {
  OnnxTestModel copies(13);
  copies.Ints("n", {65536});
  copies.Node("ConstantOfShape", {"n"}, "k0");
  for (int i = 0; i < 7; ++i) {
    const std::string from = absl::StrCat("k", i);
    SetInt(copies.Node("Concat", {from, from}, absl::StrCat("k", i + 1)), "axis", 0);
  }
  for (int i = 0; i < 2; ++i) copies.Node("Identity", {"k7"}, absl::StrCat("copy", i));
  copies.Node("Relu", {"x"}, "y");
  copies.Output("y");
  EXPECT_THAT(Error(copies), AllOf(HasSubstr("node 'node_copy0'"), HasSubstr("too many constants")));
  OnnxTestModel deep(13);
  deep.Ints("ones", std::vector<int64_t>(9, 1));
  deep.Floats("one", {1}, {1});
  deep.Node("Reshape", {"one", "ones"}, "r");
  deep.Node("Relu", {"x"}, "y");
  deep.Output("y");
  EXPECT_THAT(Error(deep), HasSubstr("makes 9 dimensions"));
}

TEST(OnnxBadInput, WindowsTheArtifactCannotHold) {
  const auto window = [](std::string_view op, int64_t kernel, int64_t pad) {
    OnnxTestModel model(13, {0, 2, 4, 4});
    onnx::NodeProto& node = model.Node(op, {"x"}, "y");
    SetInts(node, "kernel_shape", {kernel, kernel});
    SetInts(node, "strides", {kernel, kernel});
    SetInts(node, "pads", {pad, pad, pad, pad});
    model.Output("y");
    return Error(model);
  };
  for (const char* op : {"AveragePool", "MaxPool"}) {
    EXPECT_EQ(window(op, 2, 1), "");
    EXPECT_THAT(window(op, 1, 1), AllOf(HasSubstr("node 'node_y'"), HasSubstr("miss the image"))) << op;
    EXPECT_THAT(window(op, 1 << 20, 1 << 19), AllOf(HasSubstr("node 'node_y'"), HasSubstr("kernel"))) << op;
  }
  EXPECT_EQ(window("AveragePool", 181, 100), "");
  EXPECT_THAT(window("AveragePool", 182, 100), AllOf(HasSubstr("node 'node_y'"), HasSubstr("33124 values")));
  OnnxTestModel conv(13, {0, 1, 4, 4});
  conv.Floats("w", {1, 1, 1, 1}, {1});
  SetInts(conv.Node("Conv", {"x", "w"}, "y"), "strides", {5000, 1});
  conv.Output("y");
  EXPECT_THAT(Error(conv), AllOf(HasSubstr("node 'node_y'"), HasSubstr("stride 5000")));
}

TEST(OnnxBadInput, MeanOverOneAxisTwice) {
  OnnxTestModel model(13, {0, 2, 4, 4});
  SetInts(model.Node("ReduceMean", {"x"}, "y"), "axes", {2, 2});
  model.Output("y");
  EXPECT_THAT(Error(model), HasSubstr("axis 2 is given twice"));
}

TEST(OnnxBadInput, WeightsThatAreNoNumbers) {
  OnnxTestModel model = SmallNetwork();
  model.model.mutable_graph()->mutable_initializer(0)->set_float_data(0, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(Error(model), AllOf(HasSubstr("node 'node_c'"), HasSubstr("NaN")));
}

TEST(OnnxBadInput, GraphsThatReadWhatIsNotThere) {
  OnnxTestModel model(13);
  model.Node("Relu", {"later"}, "y");
  model.Node("Relu", {"x"}, "later");
  model.Output("y");
  EXPECT_THAT(Error(model), HasSubstr("'later') is not defined before this node"));
  OnnxTestModel output(13);
  output.Node("Relu", {"x"}, "y");
  output.Output("nothing");
  EXPECT_THAT(Error(output), HasSubstr("output 'nothing'"));
}

TEST(OnnxBadInput, GatesAndTransposedReshapesSayWhatToDo) {
  OnnxTestModel gate(13, {0, 2, 2, 2});
  gate.Node("Relu", {"x"}, "r");
  gate.Node("Mul", {"x", "r"}, "y");
  gate.Output("y");
  EXPECT_THAT(Error(gate), HasSubstr("only Add does that"));
  OnnxTestModel shuffle(13, {0, 2, 2, 2});
  SetInts(shuffle.Node("Transpose", {"x"}, "t"), "perm", {0, 2, 1, 3});
  shuffle.Node("GlobalAveragePool", {"t"}, "y");
  shuffle.Output("y");
  EXPECT_THAT(Error(shuffle), HasSubstr("export the network in NCHW"));
}

}  // namespace
}  // namespace msq::quantizer
