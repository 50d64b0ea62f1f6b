// The float networks next to the checkout, when they are there: quantized here, every engine and the accelerator's programs
// against the reference, bit for bit.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "backends/fpga/testing/check_network.h"
#include "quantizer/onnx_import.h"
#include "quantizer/pipeline.h"
#include "tests/conformance/conform.h"

namespace msq::conformance {
namespace {

constexpr const char* kReplay = "build/dev/tests/real_networks_test";

class SharedNetwork : public ::testing::TestWithParam<std::string> {};

TEST_P(SharedNetwork, Conforms) {
  std::ifstream file(MSQ_SHARED_MODELS "/" + GetParam() + ".onnx", std::ios::binary);
  if (!file) GTEST_SKIP() << GetParam() << ".onnx is not in " MSQ_SHARED_MODELS;
  std::stringstream bytes;
  bytes << file.rdbuf();
  const auto graph = quantizer::ImportOnnx(bytes.str());
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<quantizer::FloatTensor> calibration(2);
  for (auto& sample : calibration) {
    for (int64_t i = ir::ElementCount(graph->shape(graph->input)); i > 0; --i) sample.push_back(normal(random));
  }
  quantizer::QuantizeOptions options;
  options.rounding = quantizer::Rounding::kNearest;
  const auto quantized = quantizer::QuantizeGraph(*graph, calibration, options);
  ASSERT_TRUE(quantized.ok()) << quantized.status();
  // The reference takes seconds a sample: zeros, maxima and one random picture.
  const ir::Graph& lowered = quantized->model.graph;
  EXPECT_TRUE(ConformOnGraph(lowered, RandomSamples(lowered, 3, 1), kReplay));
  for (const char* configuration : {"z020", "z045"}) {
    SCOPED_TRACE(configuration);
    fpga::testing::CheckNetwork(lowered, fpga::testing::Named(configuration), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SharedNetwork,
                         ::testing::Values("resnet20_cifar10", "mobilenet_v1_025_imagenet",
                                           "mobilenet_v2_imagenet_from_int8", "etinynet_imagenet",
                                           "squeezenet11_imagenet", "yolo_fastest_1.1_coco", "kws_ds_cnn_s",
                                           "kws_ds_cnn_m"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace msq::conformance
