// Each operator in the spellings of the opsets: what is imported computes what ONNX says.
#include "quantizer/onnx_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quantizer/float_executor.h"
#include "quantizer/onnx_test_model.h"

namespace msq::quantizer {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

FloatTensor Ramp(int64_t size, float start = 0.0f, float step = 1.0f) {
  FloatTensor ramp;
  for (int64_t i = 0; i < size; ++i) ramp.push_back(start + step * static_cast<float>(i));
  return ramp;
}

// Imports and runs; empty with a test failure when the import fails.
FloatTensor Evaluate(const OnnxTestModel& model, const FloatTensor& input, ir::Shape* shape = nullptr) {
  const auto graph = ImportOnnx(model.Bytes());
  EXPECT_TRUE(graph.ok()) << graph.status();
  if (!graph.ok()) return {};
  FloatTensor result;
  RunGraph(*graph, input, [&](ValueId id, const FloatTensor& tensor) {
    if (id == graph->outputs[0]) result = tensor;
  });
  if (shape != nullptr) *shape = graph->shape(graph->outputs[0]);
  return result;
}

std::string ImportError(const OnnxTestModel& model) {
  const auto graph = ImportOnnx(model.Bytes());
  return graph.ok() ? "imported" : std::string(graph.status().message());
}

TEST(OnnxImport, ConvWithBiasStridesAndAutoPad) {
  OnnxTestModel model(11, {0, 1, 3, 3});
  model.Floats("w", {1, 1, 2, 2}, {1, 2, 3, 4});
  model.Floats("b", {1}, {10});
  SetString(model.Node("Conv", {"x", "w", "b"}, "y"), "auto_pad", "SAME_UPPER");
  model.Output("y");
  ir::Shape shape;
  EXPECT_THAT(Evaluate(model, Ramp(9), &shape),
              ElementsAre(10 + 27, 10 + 37, 10 + 17, 10 + 57, 10 + 67, 10 + 29, 10 + 20, 10 + 23, 10 + 8));
  EXPECT_EQ(shape, (ir::Shape{1, 3, 3}));
}

TEST(OnnxImport, DepthwiseConvWithAsymmetricPads) {
  OnnxTestModel model(13, {0, 2, 2, 2});
  model.Floats("w", {2, 1, 2, 2}, {1, 1, 1, 1, 0, 0, 0, 1});
  onnx::NodeProto& conv = model.Node("Conv", {"x", "w"}, "y");
  SetInt(conv, "group", 2);
  SetInts(conv, "pads", {0, 0, 1, 1});
  model.Output("y");
  EXPECT_THAT(Evaluate(model, Ramp(8)), ElementsAre(6, 4, 5, 3, 7, 0, 0, 0));
}

TEST(OnnxImport, GemmAndMatMulTakeWeightsEitherWay) {
  for (const bool transposed : {false, true}) {
    OnnxTestModel model(9, {0, 3});
    model.Floats("w", transposed ? std::vector<int64_t>{2, 3} : std::vector<int64_t>{3, 2},
                 transposed ? std::vector<float>{1, 3, 5, 2, 4, 6} : std::vector<float>{1, 2, 3, 4, 5, 6});
    model.Floats("b", {2}, {1, 1});
    onnx::NodeProto& gemm = model.Node("Gemm", {"x", "w", "b"}, "y");
    SetInt(gemm, "transB", transposed ? 1 : 0);
    SetFloat(gemm, "alpha", 2.0f);
    SetFloat(gemm, "beta", 3.0f);
    model.Output("y");
    EXPECT_THAT(Evaluate(model, {1, 2, 3}), ElementsAre(2 * 22 + 3, 2 * 28 + 3));
  }
  OnnxTestModel model(13, {0, 3});
  model.Floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  model.Floats("b", {2}, {10, 20});
  model.Node("MatMul", {"x", "w"}, "m");
  model.Node("Add", {"m", "b"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {1, 2, 3}), ElementsAre(32, 48));
}

TEST(OnnxImport, BatchNormalization) {
  OnnxTestModel model(9, {0, 2, 1, 2});
  model.Floats("g", {2}, {2, -1});
  model.Floats("b", {2}, {1, 0});
  model.Floats("m", {2}, {1, 2});
  model.Floats("v", {2}, {4, 1});
  SetFloat(model.Node("BatchNormalization", {"x", "g", "b", "m", "v"}, "y"), "epsilon", 0.0f);
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {1, 3, 2, 5}), ElementsAre(1, 3, 0, -3));
}

TEST(OnnxImport, ClipBoundsAreAttributesThenInputs) {
  for (const int opset : {7, 10, 11, 13, 17}) {
    OnnxTestModel model(opset, {0, 4});
    if (opset < 11) {
      onnx::NodeProto& clip = model.Node("Clip", {"x"}, "y");
      SetFloat(clip, "min", 0.0f);
      SetFloat(clip, "max", 6.0f);
    } else {
      model.Floats("low", {}, {0});
      model.Floats("high", {}, {6});
      model.Node("Clip", {"x", "low", "high"}, "y");
    }
    model.Output("y");
    EXPECT_THAT(Evaluate(model, {-1, 2, 6, 7}), ElementsAre(0, 2, 6, 6)) << opset;
  }
}

TEST(OnnxImport, LeakyReluAndPRelu) {
  OnnxTestModel model(13, {0, 4});
  model.Floats("slope", {1}, {0.5f});
  SetFloat(model.Node("LeakyRelu", {"x"}, "l"), "alpha", 0.5f);
  model.Node("PRelu", {"l", "slope"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {-4, 2, 6, 7}), ElementsAre(-1, 2, 6, 7));
  OnnxTestModel varied(13, {0, 2, 1, 1});
  varied.Floats("slope", {2, 1, 1}, {0.5f, 0.25f});
  varied.Node("PRelu", {"x", "slope"}, "y");
  varied.Output("y");
  EXPECT_THAT(ImportError(varied), HasSubstr("node 'node_y' (PRelu, opset 13): its slope differs"));
}

TEST(OnnxImport, ArithmeticWithConstants) {
  OnnxTestModel model(13, {0, 2, 1, 2});
  model.Floats("per_channel", {1, 2, 1, 1}, {10, 20});
  model.Floats("two", {}, {2});
  model.Node("Add", {"per_channel", "x"}, "a");
  model.Node("Sub", {"two", "a"}, "s");
  model.Node("Mul", {"s", "two"}, "m");
  model.Node("Div", {"m", "two"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {1, 2, 3, 4}), ElementsAre(-9, -10, -21, -22));
}

TEST(OnnxImport, SliceIsAttributesThenInputs) {
  for (const int opset : {9, 10, 13}) {
    OnnxTestModel model(opset, {0, 1, 4, 4});
    if (opset < 10) {
      onnx::NodeProto& slice = model.Node("Slice", {"x"}, "y");
      SetInts(slice, "axes", {2, 3});
      SetInts(slice, "starts", {1, -2});
      SetInts(slice, "ends", {2, 1000});
    } else {
      model.Ints("starts", {1, -2});
      model.Ints("ends", {2, 1000});
      model.Ints("axes", {2, 3});
      model.Node("Slice", {"x", "starts", "ends", "axes"}, "y");
    }
    model.Output("y");
    EXPECT_THAT(Evaluate(model, Ramp(16)), ElementsAre(6, 7)) << opset;
  }
}

TEST(OnnxImport, StridedSliceAndChannelPadOfAnOptionAShortcut) {
  for (const int opset : {10, 11, 17}) {
    OnnxTestModel model(opset, {0, 1, 4, 4});
    model.Ints("starts", {0, 0});
    model.Ints("ends", {4, 4});
    model.Ints("axes", {2, 3});
    model.Ints("steps", {2, 2});
    model.Node("Slice", {"x", "starts", "ends", "axes", "steps"}, "s");
    const std::vector<int64_t> pads = {0, 1, 0, 0, 0, 1, 0, 0};
    if (opset < 11) {
      SetInts(model.Node("Pad", {"s"}, "y"), "pads", pads);
    } else {
      model.Ints("pads", pads);
      model.Node("Pad", {"s", "pads"}, "y");
    }
    model.Output("y");
    EXPECT_THAT(Evaluate(model, Ramp(16)), ElementsAre(0, 0, 0, 0, 0, 2, 8, 10, 0, 0, 0, 0)) << opset;
  }
}

TEST(OnnxImport, UpsampleAndResizeRepeatPixels) {
  for (const int opset : {7, 9, 10, 11, 13}) {
    OnnxTestModel model(opset, {0, 1, 1, 2});
    if (opset == 7) {
      SetFloats(model.Node("Upsample", {"x"}, "y"), "scales", {1, 1, 2, 2});
    } else {
      model.Floats("scales", {4}, {1, 1, 2, 2});
      model.Floats("roi", {0}, {});
      const bool has_roi = opset >= 11;
      onnx::NodeProto& node = model.Node(
          opset == 9 ? "Upsample" : "Resize",
          has_roi ? std::vector<std::string>{"x", "roi", "scales"} : std::vector<std::string>{"x", "scales"}, "y");
      if (has_roi) {
        SetString(node, "coordinate_transformation_mode", "asymmetric");
        SetString(node, "nearest_mode", "floor");
      }
    }
    model.Output("y");
    EXPECT_THAT(Evaluate(model, {1, 2}), ElementsAre(1, 1, 2, 2, 1, 1, 2, 2)) << opset;
  }
}

TEST(OnnxImport, SqueezeAndUnsqueezeAxesAreAttributesThenInputs) {
  for (const int opset : {11, 13}) {
    OnnxTestModel model(opset, {0, 2, 1, 1});
    if (opset < 13) {
      SetInts(model.Node("Squeeze", {"x"}, "s"), "axes", {2, 3});
      SetInts(model.Node("Unsqueeze", {"s"}, "y"), "axes", {-1});
    } else {
      model.Ints("spatial", {2, 3});
      model.Ints("last", {-1});
      model.Node("Squeeze", {"x", "spatial"}, "s");
      model.Node("Unsqueeze", {"s", "last"}, "y");
    }
    model.Output("y");
    ir::Shape shape;
    EXPECT_THAT(Evaluate(model, {3, 4}, &shape), ElementsAre(3, 4));
    EXPECT_EQ(shape, (ir::Shape{2, 1})) << opset;
  }
}

TEST(OnnxImport, PoolsWithCeilModeAndExcludedPadding) {
  OnnxTestModel max(12, {0, 1, 3, 3});
  onnx::NodeProto& max_pool = max.Node("MaxPool", {"x"}, "y");
  SetInts(max_pool, "kernel_shape", {2, 2});
  SetInts(max_pool, "strides", {2, 2});
  SetInt(max_pool, "ceil_mode", 1);
  max.Output("y");
  EXPECT_THAT(Evaluate(max, Ramp(9)), ElementsAre(4, 5, 7, 8));
  for (const bool include : {false, true}) {
    OnnxTestModel average(12, {0, 1, 1, 2});
    onnx::NodeProto& pool = average.Node("AveragePool", {"x"}, "y");
    SetInts(pool, "kernel_shape", {1, 2});
    SetInts(pool, "pads", {0, 1, 0, 1});
    SetInt(pool, "count_include_pad", include ? 1 : 0);
    average.Output("y");
    if (include) {
      EXPECT_THAT(Evaluate(average, {2, 4}), ElementsAre(1, 3, 2));
    } else {
      EXPECT_THAT(Evaluate(average, {2, 4}), ElementsAre(2, 3, 4));
    }
  }
}

TEST(OnnxImport, ConstantsAreBroadcast) {
  OnnxTestModel model(13, {0, 2});
  model.Floats("a", {2, 1}, {1, 2});
  model.Floats("b", {2}, {10, 20});
  model.Node("Add", {"a", "b"}, "w");  // [[11, 21], [12, 22]]
  model.Node("Gemm", {"x", "w"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {1, 100}), ElementsAre(11 + 1200, 21 + 2200));
}

TEST(OnnxImport, ReduceMeanOverTheImage) {
  for (const int64_t keep : {0, 1}) {
    OnnxTestModel model(11, {0, 2, 1, 2});
    onnx::NodeProto& mean = model.Node("ReduceMean", {"x"}, "y");
    SetInts(mean, "axes", {-1, -2});
    SetInt(mean, "keepdims", keep);
    model.Output("y");
    ir::Shape shape;
    EXPECT_THAT(Evaluate(model, {1, 3, 5, 7}, &shape), ElementsAre(2, 6));
    EXPECT_EQ(shape, keep != 0 ? (ir::Shape{2, 1, 1}) : (ir::Shape{2}));
  }
}

TEST(OnnxImport, ViewBySizeAsPyTorchExportsIt) {
  OnnxTestModel model(13, {0, 2, 1, 2});
  model.Ints("zero", {0});
  model.Ints("minus", {-1});
  model.Node("Shape", {"x"}, "shape");
  onnx::NodeProto& index = model.Node("Constant", {}, "index");
  onnx::AttributeProto& value = *index.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  value.mutable_t()->add_int64_data(0);
  SetInt(model.Node("Gather", {"shape", "index"}, "batch"), "axis", 0);
  model.Node("Unsqueeze", {"batch", "zero"}, "batch1");
  SetInt(model.Node("Concat", {"batch1", "minus"}, "target"), "axis", 0);
  model.Node("Reshape", {"x", "target"}, "y");
  model.Output("y");
  ir::Shape shape;
  EXPECT_THAT(Evaluate(model, {1, 2, 3, 4}, &shape), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(shape, (ir::Shape{4}));
}

TEST(OnnxImport, ConcatSplitDropoutIdentityAndCastPassThrough) {
  OnnxTestModel model(12, {0, 2, 1, 1});
  onnx::NodeProto& split = model.Node("Split", {"x"}, "a");
  split.add_output("b");
  SetInt(split, "axis", 1);
  model.Node("Dropout", {"a"}, "d");
  model.Node("Identity", {"b"}, "i");
  SetInt(model.Node("Cast", {"i"}, "c"), "to", onnx::TensorProto::FLOAT);
  SetInt(model.Node("Concat", {"c", "d"}, "y"), "axis", 1);
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {5, 6}), ElementsAre(6, 5));
}

// Channels last at the door, NCHW inside, and a Dense over the channels-last flattening: as tf2onnx writes Keras models.
TEST(OnnxImport, ChannelsLastInputAndFlatten) {
  OnnxTestModel model(13, {0, 1, 2, 2});  // N,H,W,C
  model.Floats("scale", {}, {2});
  model.Node("Mul", {"x", "scale"}, "m");
  SetInts(model.Node("Transpose", {"m"}, "nchw"), "perm", {0, 3, 1, 2});
  model.Floats("w", {2, 2, 1, 1}, {1, 0, 0, 1});
  model.Node("Conv", {"nchw", "w"}, "c");
  SetInts(model.Node("Transpose", {"c"}, "nhwc"), "perm", {0, 2, 3, 1});
  model.Ints("target", {-1, 4});
  model.Node("Reshape", {"nhwc", "target"}, "flat");
  model.Floats("dense", {4, 1}, {1, 10, 100, 1000});
  model.Node("MatMul", {"flat", "dense"}, "y");
  model.Output("y");
  // In the graph's order, C,H,W: channel 0 = 1, 3; channel 1 = 2, 4. ONNX flattens 1, 2, 3, 4.
  EXPECT_THAT(Evaluate(model, {1, 3, 2, 4}), ElementsAre(2 * 4321));
  EXPECT_EQ(ImportOnnx(model.Bytes())->input_layout, ir::InputDescription::Layout::kNhwc);
}

TEST(OnnxImport, SoftmaxAtTheEndIsLeftOutWithANote) {
  OnnxTestModel model(13, {0, 3});
  model.Node("Relu", {"x"}, "r");
  model.Node("Softmax", {"r"}, "y");
  model.Output("y");
  const auto graph = ImportOnnx(model.Bytes());
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->notes.size(), 1u);
  EXPECT_THAT(graph->notes[0], HasSubstr("Softmax 'node_y' at the end is left out"));
  EXPECT_THAT(Evaluate(model, {-1, 2, 3}), ElementsAre(0, 2, 3));
}

TEST(OnnxImport, FixedBatchOfTheExporterIsDropped) {
  OnnxTestModel model(13, {8, 2, 1, 2});
  model.Ints("target", {8, -1});
  model.Node("Reshape", {"x", "target"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {1, 2, 3, 4}), ElementsAre(1, 2, 3, 4));
}

TEST(OnnxImport, HalfPrecisionWeights) {
  OnnxTestModel model(13, {0, 1});
  onnx::TensorProto& w = *model.model.mutable_graph()->add_initializer();
  w.set_name("w");
  w.set_data_type(onnx::TensorProto::FLOAT16);
  for (int64_t dim : {1, 3}) w.add_dims(dim);
  for (int32_t half : {0x3C00, 0xC100, 0x0001}) w.add_int32_data(half);  // 1, -2.5, 2^-24
  model.Node("MatMul", {"x", "w"}, "y");
  model.Output("y");
  EXPECT_THAT(Evaluate(model, {2}), Pointwise(FloatNear(1e-9f), {2.0f, -5.0f, 2 * 0x1p-24f}));
}

}  // namespace
}  // namespace msq::quantizer
