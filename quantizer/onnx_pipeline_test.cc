// The whole way: ONNX bytes to an artifact whose integers, run by the reference, answer as the float network does.
#include "quantizer/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "media/npy.h"
#include "model/format/artifact.h"
#include "model/ir/verifier.h"
#include "model/numerics/edge.h"
#include "model/reference/interpreter.h"
#include "quantizer/onnx_import.h"
#include "quantizer/onnx_test_model.h"

namespace msq::quantizer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Random {
 public:
  std::vector<float> Normal(int64_t count, float sigma, float mean = 0.0f) {
    std::normal_distribution<float> normal(mean, sigma);
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(normal(random_));
    return values;
  }

 private:
  std::mt19937 random_{21};
};

// A residual network with BatchNorm, a depthwise layer, both pools, Concat, leaky Relu, Relu6 and a Dense at the end.
std::string SmallNetwork(Random& random) {
  OnnxTestModel model(13, {0, 3, 12, 12});
  int count = 0;
  const auto conv = [&](const std::string& in, int64_t channels, int64_t rows, int64_t kernel, int64_t groups) {
    const std::string name = absl::StrCat("conv", ++count), w = name + ".weight", b = name + ".bias";
    const int64_t length = channels / groups * kernel * kernel;
    model.Floats(w, {rows, channels / groups, kernel, kernel},
                 random.Normal(rows * length, 1.0f / std::sqrt(static_cast<float>(length))));
    model.Floats(b, {rows}, random.Normal(rows, 0.1f));
    onnx::NodeProto& node = model.Node("Conv", {in, w, b}, name);
    SetInts(node, "pads", {kernel / 2, kernel / 2, kernel / 2, kernel / 2});
    SetInt(node, "group", groups);
    return name;
  };
  const auto norm = [&](const std::string& in, int64_t channels) {
    const std::string name = absl::StrCat("bn", ++count);
    model.Floats(name + ".g", {channels}, random.Normal(channels, 0.2f, 1.0f));
    model.Floats(name + ".b", {channels}, random.Normal(channels, 0.2f));
    model.Floats(name + ".m", {channels}, random.Normal(channels, 0.2f));
    model.Floats(name + ".v", {channels}, std::vector<float>(static_cast<size_t>(channels), 1.0f));
    model.Node("BatchNormalization", {in, name + ".g", name + ".b", name + ".m", name + ".v"}, name);
    return name;
  };
  model.Floats("zero", {}, {0});
  model.Floats("six", {}, {6});
  model.Node("Relu", {norm(conv("x", 3, 16, 3, 1), 16)}, "trunk");
  model.Node("Clip", {conv("trunk", 16, 16, 3, 16), "zero", "six"}, "clip");
  model.Node("Add", {norm(conv("clip", 16, 16, 1, 1), 16), "trunk"}, "sum");
  model.Node("Relu", {"sum"}, "block");
  SetFloat(model.Node("LeakyRelu", {conv("block", 16, 8, 1, 1)}, "leaky"), "alpha", 0.1f);
  model.Node("Concat", {"leaky", "block"}, "joined");
  SetInt(*model.model.mutable_graph()->mutable_node(model.model.graph().node_size() - 1), "axis", 1);
  onnx::NodeProto& pool = model.Node("MaxPool", {"joined"}, "pooled");
  SetInts(pool, "kernel_shape", {2, 2});
  SetInts(pool, "strides", {2, 2});
  onnx::NodeProto& average = model.Node("AveragePool", {norm(conv("pooled", 24, 24, 3, 1), 24)}, "average");
  SetInts(average, "kernel_shape", {3, 3});
  SetInts(average, "pads", {1, 1, 1, 1});
  model.Node("GlobalAveragePool", {"average"}, "mean");
  model.Node("Flatten", {"mean"}, "flat");
  model.Floats("fc.weight", {10, 24}, random.Normal(240, 0.5f));
  model.Floats("fc.bias", {10}, random.Normal(10, 0.5f));
  SetInt(model.Node("Gemm", {"flat", "fc.weight", "fc.bias"}, "logits"), "transB", 1);
  model.Output("logits");
  return model.Bytes();
}

std::vector<FloatTensor> Samples(Random& random, int count) {
  std::vector<FloatTensor> samples;
  for (int i = 0; i < count; ++i) {
    // Patches of different brightness, so that the outputs differ from sample to sample.
    FloatTensor sample = random.Normal(3 * 12 * 12, 0.5f);
    const std::vector<float> offset = random.Normal(3, 1.0f);
    for (size_t k = 0; k < sample.size(); ++k) sample[k] += offset[k / 144];
    samples.push_back(std::move(sample));
  }
  return samples;
}

FloatTensor RunFloat(const FloatGraph& graph, const FloatTensor& input) {
  FloatTensor result;
  RunGraph(graph, input, [&](ValueId id, const FloatTensor& tensor) {
    if (id == graph.outputs[0]) result = tensor;
  });
  return result;
}

FloatTensor RunInteger(const ir::Graph& graph, const FloatTensor& input) {
  const ir::TensorType& in = graph.tensors[graph.inputs[0]].type;
  reference::Values codes;
  for (float value : input) codes.push_back(numerics::QuantizeReal(value, in.scale, in.zero_point, in.bits));
  const auto outputs = reference::Run(graph, std::vector<reference::Values>{codes});
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  FloatTensor result;
  const ir::TensorType& out = graph.tensors[graph.outputs[0]].type;
  EXPECT_EQ(out.kind, ir::TensorType::Kind::kAccumulator);
  for (size_t i = 0; i < (*outputs)[0].size(); ++i) {
    result.push_back(numerics::DequantizeAccumulator((*outputs)[0][i], out.row_scales[i]));
  }
  return result;
}

double Correlation(const FloatTensor& a, const FloatTensor& b) {
  double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i)
    ma += a[i] / static_cast<double>(a.size()), mb += b[i] / static_cast<double>(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - ma) * (a[i] - ma), bb += (b[i] - mb) * (b[i] - mb), ab += (a[i] - ma) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

// Correlation of integer and float outputs over fresh samples.
double Fidelity(const QuantizeOptions& options) {
  Random random;
  auto graph = ImportOnnx(SmallNetwork(random));
  EXPECT_TRUE(graph.ok()) << graph.status();
  const auto result = QuantizeGraph(*graph, Samples(random, 64), options);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return 0;
  EXPECT_TRUE(ir::Verify(result->model.graph).ok());
  const auto artifact = format::Serialize(result->model);
  EXPECT_TRUE(artifact.ok()) << artifact.status();
  FloatTensor real, integer;
  for (const FloatTensor& sample : Samples(random, 24)) {
    const FloatTensor a = RunFloat(*graph, sample), b = RunInteger(result->model.graph, sample);
    real.insert(real.end(), a.begin(), a.end());
    integer.insert(integer.end(), b.begin(), b.end());
  }
  return Correlation(real, integer);
}

TEST(Pipeline, IntegersFollowTheFloatNetwork) {
  QuantizeOptions options;
  EXPECT_GT(Fidelity(options), 0.97);
  options.activation_bits = 8;
  options.weights8 = {"all"};
  EXPECT_GT(Fidelity(options), 0.999);
}

TEST(Pipeline, EverySchemeRangeAndRoundingWorks) {
  for (const SchemeChoice scheme : {SchemeChoice::kFixed, SchemeChoice::kSp2, SchemeChoice::kP2}) {
    QuantizeOptions options;
    options.scheme = scheme;
    options.weights8 = {"none"};
    EXPECT_GT(Fidelity(options), 0.9) << static_cast<int>(scheme);
  }
  QuantizeOptions options;
  options.range = RangeMethod::kPercentile;
  options.rounding = Rounding::kNearest;
  options.bias_correction = false;
  EXPECT_GT(Fidelity(options), 0.9);
}

TEST(Pipeline, SameBytesWhateverTheThreads) {
  std::string artifacts[2];
  for (int i = 0; i < 2; ++i) {
    Random random;
    QuantizeOptions options;
    options.threads = i + 1;
    auto graph = ImportOnnx(SmallNetwork(random));
    ASSERT_TRUE(graph.ok());
    const auto result = QuantizeGraph(*graph, Samples(random, 32), options);
    ASSERT_TRUE(result.ok()) << result.status();
    artifacts[i] = *format::Serialize(result->model);
  }
  EXPECT_EQ(artifacts[0], artifacts[1]);
}

TEST(Pipeline, RecordsSharesDistortionAndSettings) {
  Random random;
  auto graph = ImportOnnx(SmallNetwork(random));
  ASSERT_TRUE(graph.ok());
  QuantizeOptions options;
  options.sp2_share = ShareOfTarget("paper_z020");
  options.weights8 = {"conv3.weight", "fc.weight"};  // by the names of their weights
  const auto result = QuantizeGraph(*graph, Samples(random, 16), options);
  ASSERT_TRUE(result.ok()) << result.status();
  int fixed8 = 0, mixed = 0;
  for (const ir::LayerRecord& layer : result->model.provenance.layers) {
    const int64_t sp2 = layer.rows_by_scheme[1], fixed4 = layer.rows_by_scheme[0];
    fixed8 += layer.rows_by_scheme[3] > 0 ? 1 : 0;
    if (sp2 + fixed4 == 0) continue;
    ++mixed;
    EXPECT_EQ(sp2, std::lround(0.6 * static_cast<double>(sp2 + fixed4))) << layer.node;
    EXPECT_GT(layer.weight_distortion, 0.0);
    EXPECT_LT(layer.weight_distortion, 0.2);
    EXPECT_LT(layer.bytes, layer.weights * 4 + 64 * (sp2 + fixed4));
  }
  EXPECT_EQ(fixed8, 2);
  EXPECT_EQ(mixed, 4);
  EXPECT_EQ(result->model.provenance.settings.at("weights8"), "conv3.weight,fc.weight");
  EXPECT_THAT(ReportText(result->model, result->report, "out.msq", 1000), HasSubstr("sp2_4 6"));
  EXPECT_THAT(ReportJson(result->model, result->report, "out.msq", 1000), HasSubstr("\"distortion\""));
}

TEST(Pipeline, UnknownLayerNamesListTheCandidates) {
  Random random;
  auto graph = ImportOnnx(SmallNetwork(random));
  ASSERT_TRUE(graph.ok());
  QuantizeOptions options;
  options.weights8 = {"first", "fc1"};
  const auto samples = Samples(random, 1);
  EXPECT_THAT(std::string(QuantizeGraph(*graph, samples, options).status().message()),
              AllOf(HasSubstr("no layer 'fc1'"), HasSubstr("node_logits")));
  options.weights8 = {};
  options.activations8 = {"nothing"};
  EXPECT_THAT(std::string(QuantizeGraph(*graph, samples, options).status().message()), HasSubstr("no layer 'nothing'"));
}

TEST(Pipeline, NumbersThatAreNoneAreRefused) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const auto error = [](float first, float second, float bias, const std::vector<FloatTensor>& samples) {
    OnnxTestModel model(13, {0, 1, 2, 2});
    model.Floats("w1", {2, 1, 1, 1}, {first, 1});
    model.Floats("b1", {2}, {bias, 0});
    model.Floats("w2", {2, 2, 1, 1}, {second, 1, 1, 1});
    model.Node("Conv", {"x", "w1", "b1"}, "c1");
    model.Node("Relu", {"c1"}, "r");
    model.Node("Conv", {"r", "w2"}, "c2");
    model.Output("c2");
    auto graph = ImportOnnx(model.Bytes());
    EXPECT_TRUE(graph.ok()) << graph.status();
    return std::string(QuantizeGraph(*graph, samples, {}).status().message());
  };
  const FloatTensor good = {1, 2, 3, 4};
  EXPECT_EQ(error(1, 1, 0, {good}), "");
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    EXPECT_THAT(error(1, 1, 0, {good, {1, bad, 3, 4}}), HasSubstr("sample 1 holds NaN")) << bad;
  }
  EXPECT_THAT(error(1, 1, 0, {{1, 2, 3}}), HasSubstr("sample 0 has 3 values, the network takes 4"));
  EXPECT_THAT(error(1e38f, 1, 0, {good}), HasSubstr("node 'node_c1': its weights"));
  EXPECT_THAT(error(1, 1, 1e38f, {good}), HasSubstr("node 'node_c1': its weights"));
  EXPECT_THAT(error(1e14f, 1e14f, 0, {good}), HasSubstr("node 'node_c2': its output is not finite"));
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) / "msq_pipeline_test";
    std::filesystem::create_directories(directory_);
    Random random;
    Write("net.onnx", SmallNetwork(random));
    options_.model_path = Path("net.onnx");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string Path(const std::string& name) const { return (directory_ / name).string(); }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  std::string Error() const { return std::string(Quantize(options_).status().message()); }
  // Eight pictures [8,12,12,3].
  void WritePixels() const {
    media::Array array;
    array.type = media::ArrayType::kUint8;
    array.shape = {8, 12, 12, 3};
    for (int i = 0; i < 8 * 12 * 12 * 3; ++i) array.bytes.push_back(static_cast<char>(i * 37 + i / 50));
    Write("pixels.npy", media::SerializeNpy(array));
  }

  std::filesystem::path directory_;
  QuantizeOptions options_;
};

TEST_F(Files, PixelsLabelsAndProvenance) {
  WritePixels();
  options_.calibration_path = Path("pixels.npy");
  options_.mean = {0.5f, 0.4f, 0.3f};
  options_.stddev = {0.2f};
  options_.labels_path = Path("labels.txt");
  Write("labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\r\nj\n");
  const auto result = Quantize(options_);
  ASSERT_TRUE(result.ok()) << result.status();
  const ir::InputDescription& input = result->model.inputs[0];
  EXPECT_EQ(input.value_range, 255.0f);
  EXPECT_EQ(input.mean, (std::vector<float>{0.5f, 0.4f, 0.3f}));
  EXPECT_EQ(input.stddev, std::vector<float>(3, 0.2f));
  EXPECT_EQ(result->model.outputs[0].labels[8], "i");
  EXPECT_EQ(result->model.provenance.source, "net.onnx");
  EXPECT_EQ(result->model.provenance.source_sha256.size(), 64u);
  EXPECT_EQ(result->model.graph.tensors[result->model.graph.inputs[0]].type.bits, 8);
}

TEST_F(Files, CalibrationArraysOfNoNumbersAreRefused) {
  media::Array array;
  array.type = media::ArrayType::kFloat32;
  array.shape = {2, 3, 12, 12};
  std::vector<float> values(2 * 3 * 12 * 12, 0.5f);
  options_.calibration_path = Path("floats.npy");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    values[500] = bad;
    array.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    Write("floats.npy", media::SerializeNpy(array));
    EXPECT_THAT(Error(), AllOf(HasSubstr("sample 1 of '"), HasSubstr("holds NaN")));
  }
}

TEST_F(Files, MistakesOfTheUserAreNamed) {
  EXPECT_THAT(Error(), HasSubstr("--calibration is needed"));
  options_.calibration_path = Path("nothing.npy");
  EXPECT_THAT(Error(), HasSubstr("nothing.npy"));
  Write("empty.npy", "");
  options_.calibration_path = Path("empty.npy");
  EXPECT_THAT(Error(), HasSubstr("empty.npy"));
  options_.calibration_path = directory_.string();
  EXPECT_THAT(Error(), HasSubstr("no .png, .jpg or .jpeg"));
  WritePixels();
  options_.calibration_path = Path("pixels.npy");
  options_.mean = {0.5f};
  EXPECT_THAT(Error(), HasSubstr("--mean and --std go together"));
  options_.stddev = {0.0f};
  EXPECT_THAT(Error(), HasSubstr("--std must be positive"));
  options_.stddev = {1.0f, 1.0f};
  EXPECT_THAT(Error(), HasSubstr("2 values for 3 channels"));
  options_.stddev = {1.0f};
  Write("labels.txt", "a\nb\n");
  options_.labels_path = Path("labels.txt");
  EXPECT_THAT(Error(), HasSubstr("has 2 lines, the network has 10 outputs"));
  options_.model_path = Path("missing.onnx");
  EXPECT_THAT(Error(), HasSubstr("missing.onnx"));
  Write("broken.onnx", "not onnx");
  options_.model_path = Path("broken.onnx");
  EXPECT_THAT(Error(), AllOf(HasSubstr("broken.onnx"), HasSubstr("damaged")));
}

}  // namespace
}  // namespace msq::quantizer
