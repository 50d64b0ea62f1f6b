// The real networks next to the checkout, when they are there: every convolutional one is quantized, verified and
// serialized; every recurrent one is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "model/format/artifact.h"
#include "quantizer/onnx_import.h"
#include "quantizer/pipeline.h"

namespace msq::quantizer {
namespace {

std::string ReadModel(const std::string& name) {
  std::ifstream file(std::string(MSQ_SHARED_MODELS "/") + name + ".onnx", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

class SharedModel : public ::testing::TestWithParam<std::string> {};

TEST_P(SharedModel, Quantizes) {
  const std::string bytes = ReadModel(GetParam());
  if (bytes.empty()) GTEST_SKIP() << GetParam() << ".onnx is not in " MSQ_SHARED_MODELS;
  const auto graph = ImportOnnx(bytes);
  if (GetParam() == "kws_gru_m" || GetParam() == "kws_basic_lstm_m") {
    EXPECT_THAT(std::string(graph.status().message()), ::testing::HasSubstr("recurrent layers are not executable yet"));
    return;
  }
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<FloatTensor> samples(2, FloatTensor(static_cast<size_t>(ir::ElementCount(graph->shape(graph->input)))));
  for (FloatTensor& sample : samples) {
    for (float& value : sample) value = normal(random);
  }
  QuantizeOptions options;
  options.rounding = Rounding::kNearest;
  const auto result = QuantizeGraph(*graph, samples, options);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto artifact = format::Serialize(result->model);
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  EXPECT_LT(artifact->size(), bytes.size() / 2);
}

INSTANTIATE_TEST_SUITE_P(All, SharedModel,
                         ::testing::Values("resnet20_cifar10", "mobilenet_v1_025_imagenet",
                                           "mobilenet_v2_imagenet_from_int8", "etinynet_imagenet",
                                           "squeezenet11_imagenet", "yolo_fastest_1.1_coco", "kws_ds_cnn_s",
                                           "kws_ds_cnn_m", "kws_gru_m", "kws_basic_lstm_m"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace msq::quantizer
