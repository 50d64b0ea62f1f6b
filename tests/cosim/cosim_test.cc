// Whole networks on the RTL, bit for bit: small ones on every memory that a board or an adversary could have.
#include "tests/cosim/cosim.h"

#include <gtest/gtest.h>

#include <utility>

#include "backends/fpga/lowering/lowering.h"
#include "backends/testing/synthetic_networks.h"
#include "hw/sim/kernels.h"

namespace msq::testing {
namespace {

const hw::Configuration& Named(std::string_view name) {
  return *hw::FindConfiguration(name);
}

CosimOptions Tiny(const hw::AxiMemoryOptions& memory) {
  CosimOptions options;
  options.kernel = hw::CreateKernel_tiny;
  options.memory = memory;
  return options;
}

void ExpectSameBits(const ir::Graph& graph, const hw::Configuration& configuration, const CosimOptions& options) {
  const auto result = Cosimulate(graph, configuration, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->values, 0);
  EXPECT_EQ(result->mismatches, 0) << "of " << result->values << ": " << result->first_mismatch;
  EXPECT_EQ(result->memory.violations, 0u) << result->memory.first_violation;
  std::printf("%s on %.*s: %llu cycles, %llu steps, stalls: weights %llu, drain %llu, banks %llu\n", graph.name.c_str(),
              static_cast<int>(configuration.name.size()), configuration.name.data(),
              static_cast<unsigned long long>(result->run.cycles), static_cast<unsigned long long>(result->run.steps),
              static_cast<unsigned long long>(result->run.stall_weights),
              static_cast<unsigned long long>(result->run.stall_drain),
              static_cast<unsigned long long>(result->run.stall_bank));
}

TEST(CosimTest, ResNet20OnTinyWithTheBoardsMemory) {
  CosimOptions options = Tiny(hw::AxiMemoryOptions::ZynqDdr3(1));
  options.samples = 2;
  ExpectSameBits(ResNetCifar(3), Named("tiny"), options);
}

TEST(CosimTest, ResNet20OnZ020WithTheBoardsMemory) {
  CosimOptions options;
  options.kernel = hw::CreateKernel_z020;
  options.memory = hw::AxiMemoryOptions::ZynqDdr3(2);
  ExpectSameBits(ResNetCifar(3), Named("z020"), options);
}

TEST(CosimTest, MobileNetOnTinyWithAMemoryThatStalls) {
  ExpectSameBits(MobileNetLike(), Named("tiny"), Tiny(hw::AxiMemoryOptions::RandomStalls(7)));
}

// Depthwise layers with tiles of two pixels, which tiny has not.
TEST(CosimTest, MobileNetOnZ020WithAMemoryThatStalls) {
  CosimOptions options;
  options.kernel = hw::CreateKernel_z020;
  options.memory = hw::AxiMemoryOptions::RandomStalls(5, 2);
  ExpectSameBits(MobileNetLike(), Named("z020"), options);
}

// Programs for a smaller activation memory: in strips, with tensors that wait in DRAM, sums in their residuals' place.
TEST(CosimTest, InStripsOnTiny) {
  const std::pair<ir::Graph, int> cases[] = {{ResNetCifar(1), 500}, {MobileNetLike(), 200}, {MobileNetLike(), 420}};
  int64_t loaded = 0, stored = 0;
  for (const auto& [graph, depth] : cases) {
    hw::Configuration configuration = Named("tiny");
    configuration.depth = depth;
    ExpectSameBits(graph, configuration, Tiny(hw::AxiMemoryOptions::RandomStalls(7)));
    ExpectSameBits(graph, configuration, Tiny(hw::AxiMemoryOptions::ZynqDdr3(1)));
    const auto program = fpga::Lower(graph, configuration);
    ASSERT_TRUE(program.ok()) << program.status();
    for (const fpga::LayerRecord& layer : program->layers) {
      loaded += layer.load_words;
      stored += layer.store_words;
    }
  }
  EXPECT_GT(loaded, 1000);
  EXPECT_GT(stored, 1000);
}

TEST(CosimTest, PerceptronOnTiny) {
  ExpectSameBits(Perceptron(), Named("tiny"), Tiny(hw::AxiMemoryOptions::Ideal()));
}

}  // namespace
}  // namespace msq::testing
