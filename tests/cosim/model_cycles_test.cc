// The transaction model against the RTL, a network for each kind of layer: the same bits, the same counts, cycles within 3 %.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "backends/fpga/cosim/cosim_run.h"
#include "backends/testing/graph_builder.h"
#include "backends/testing/synthetic_networks.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::fpga {
namespace {

using ir::TensorId;
using msq::testing::Codes;
using msq::testing::GraphBuilder;
using msq::testing::Layer;

constexpr double kTolerance = 0.03;

ir::Window Kernel(int64_t size, int64_t stride = 1) {
  const int64_t pad = size / 2;
  return {{size, size}, {stride, stride}, {pad, pad, pad, pad}, {1, 1}};
}

struct Case {
  std::string name;
  std::function<TensorId(GraphBuilder&)> build;
};

TensorId Residual(GraphBuilder& b) {
  const TensorId in = b.Input({32, 20, 20});
  return b.Conv({b.Conv({in}, 32, {.window = Kernel(3)}), in}, 32, {.window = Kernel(3), .seed = 2, .skip = 100'000});
}

// What a layer without weights follows: alone it would be left to the CPU.
TensorId Map(GraphBuilder& b) {
  return b.Conv({b.Input({16, 24, 24})}, 64, {});
}

TensorId Average(GraphBuilder& b, ir::Window window) {
  ir::AveragePool pool{window, true, msq::testing::UniformRequantizer(1, 0.1, 0)};
  return b.Add(std::move(pool), {Map(b)});
}

TensorId Leaky(GraphBuilder& b) {
  ir::Rescale op{msq::testing::UniformRequantizer(64, 0.7, 1)};
  op.requantizer.leaky = {std::vector<int32_t>(64, 5), std::vector<uint32_t>(64, 700), op.requantizer.addends};
  return b.Add(std::move(op), {Map(b)});
}

std::vector<Case> Convolutions() {
  return {
      {"3x3",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 24, 24})}, 64, {.window = Kernel(3)});
       }},
      {"1x1",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({64, 24, 24})}, 64, {});
       }},
      {"5x5",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 20, 20})}, 32, {.window = Kernel(5)});
       }},
      {"3x3, stride 2",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 30, 30})}, 64, {.window = Kernel(3, 2)});
       }},
      {"1x1, stride 2",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({64, 30, 30})}, 64, {.window = Kernel(1, 2)});
       }},
      {"first layer",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({3, 48, 48}, {8, 0})}, 32, {.window = Kernel(3)});
       }},
      {"first layer, 7x7, pooled",
       [](GraphBuilder& b) {
         const TensorId conv = b.Conv({b.Input({3, 64, 64}, {8, 0})}, 32, {.window = Kernel(7, 2), .scale = 0.001});
         return b.Add(ir::MaxPool{Kernel(3, 2)}, {conv});
       }},
      {"8-bit inputs",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 20, 20}, {8, 0})}, 32, {.window = Kernel(3)});
       }},
      {"8-bit outputs",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 20, 20})}, 32, {.window = Kernel(3)}, {8, 0});
       }},
      {"8-bit weights",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({32, 20, 20})}, 32,
                       {.window = Kernel(3), .schemes = {ir::Scheme::kFixed8}, .scale = 0.001});
       }},
      {"depthwise 3x3",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({64, 24, 24})}, 64, {.window = Kernel(3), .groups = 64});
       }},
      {"depthwise 3x3, stride 2",
       [](GraphBuilder& b) {
         return b.Conv({b.Input({64, 28, 28})}, 64, {.window = Kernel(3, 2), .groups = 64});
       }},
      {"residual", Residual},
  };
}

std::vector<Case> OtherLayers() {
  return {
      {"leaky", Leaky},
      {"dense", [](GraphBuilder& b) { return b.Dense({b.Input({512})}, 256, {}); }},
      {"dense, raw", [](GraphBuilder& b) { return b.Dense({b.Input({512})}, 100, {.raw = true}); }},
      {"max pool", [](GraphBuilder& b) { return b.Add(ir::MaxPool{Kernel(3, 2)}, {Map(b)}); }},
      {"average pool", [](GraphBuilder& b) { return Average(b, Kernel(3, 2)); }},
      {"global average",
       [](GraphBuilder& b) {
         return b.Add(ir::GlobalAveragePool{msq::testing::UniformRequantizer(1, 0.01, 0)}, {Map(b)});
       }},
      {"concatenation",
       [](GraphBuilder& b) {
         const TensorId in = b.Input({32, 20, 20});
         return b.Add(ir::Concat{},
                      {b.Conv({in}, 32, {.seed = 2}), b.Conv({in}, 32, {.window = Kernel(3), .seed = 3})});
       }},
      {"upsampling",
       [](GraphBuilder& b) {
         return b.Add(ir::ResizeNearest{{2, 2}}, {b.Conv({b.Input({32, 12, 12})}, 32, {})});
       }},
  };
}

CosimReport Simulate(const ir::Graph& graph, const char* configuration, hw::Fidelity fidelity) {
  CosimSettings settings;
  settings.configuration = *hw::FindConfiguration(configuration);
  settings.fidelity = fidelity;
  settings.memory = hw::AxiMemoryOptions::ZynqDdr3(settings.configuration.ports);
  auto report = RunCosim(graph, RandomInputs(graph, 1), settings);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : CosimReport{};
}

void Compare(const std::string& name, const ir::Graph& graph, const char* configuration) {
  ASSERT_TRUE(ir::Verify(graph).ok()) << name << ": " << ir::Verify(graph);
  const CosimReport rtl = Simulate(graph, configuration, hw::Fidelity::kRtl);
  const CosimReport model = Simulate(graph, configuration, hw::Fidelity::kModel);
  const double error = static_cast<double>(model.cycles) / static_cast<double>(rtl.cycles) - 1;
  std::cout << configuration << " " << name << ": RTL " << rtl.cycles << ", model " << model.cycles << ", "
            << std::round(1e4 * error) / 100 << " %\n";
  EXPECT_TRUE(rtl.bit_exact() && model.bit_exact()) << name;
  EXPECT_LE(std::abs(error), kTolerance) << name;
  EXPECT_EQ(model.steps, rtl.steps) << name;
  EXPECT_EQ(model.dsp_busy, rtl.dsp_busy) << name;
  EXPECT_EQ(model.lut_busy, rtl.lut_busy) << name;
  EXPECT_EQ(model.stall_bank, rtl.stall_bank) << name;
  EXPECT_EQ(model.dram_bytes, rtl.dram_bytes) << name;
}

class ModelCyclesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ModelCyclesTest, EveryKindOfLayer) {
  for (const auto& cases : {Convolutions(), OtherLayers()}) {
    for (const Case& each : cases) {
      GraphBuilder b(each.name);
      const TensorId out = each.build(b);
      Compare(each.name, std::move(b).Finish({out}), GetParam());
    }
  }
}

TEST_P(ModelCyclesTest, Networks) {
  Compare("ResNet-20", msq::testing::ResNetCifar(3), GetParam());
  Compare("MobileNet-like", msq::testing::MobileNetLike(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, ModelCyclesTest, ::testing::Values("tiny", "z020"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace msq::fpga
