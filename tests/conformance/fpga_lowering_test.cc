// The accelerator's programs against the reference, bit for bit, on random graphs: lowered for several configurations, run
// on the functional model in program order and in another order that the waits allow.
//   MSQ_CONFORMANCE_SEED=n   only the random graph of that seed
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/run_program.h"
#include "model/ir/op.h"
#include "tests/conformance/conform.h"
#include "tests/conformance/random_graph.h"

namespace msq::conformance {
namespace {

constexpr uint64_t kGraphs = 200;  // for each configuration, other ones for each

// How often each kind of layer, each number of passes and each refusal was met.
using Counts = std::map<std::string, int>;

void Check(uint64_t seed, const hw::Configuration& configuration, Counts* counts) {
  const ir::Graph graph = RandomGraph(seed);
  const auto program = fpga::Lower(graph, configuration);
  if (!program.ok()) {
    const absl::StatusCode code = program.status().code();
    ASSERT_TRUE(code == absl::StatusCode::kUnimplemented || code == absl::StatusCode::kResourceExhausted)
        << program.status();
    ASSERT_NE(program.status().ToString().find("node '"), std::string::npos) << program.status();
    ++(*counts)["refused"];
    return;
  }
  const std::vector<Sample> samples = RandomSamples(graph, 3, seed);
  for (const Sample& sample : {samples[1], samples[2]}) {
    const auto expected = reference::Run(graph, sample);
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (const auto order : {std::optional<uint64_t>(), std::optional<uint64_t>(seed)}) {
      const auto actual = fpga::RunProgram(*program, sample, order);
      ASSERT_TRUE(actual.ok()) << actual.status();
      ASSERT_EQ(*actual, *expected) << (order ? "in a drawn order" : "in program order");
    }
  }
  ++(*counts)["run"];
  for (const fpga::LayerRecord& layer : program->layers) {
    ++(*counts)[layer.kind];
    if (layer.kind == "Concat") ++(*counts)[layer.vec_words == 0 ? "Concat in place" : "Concat by copies"];
    if (layer.passes > 0) ++(*counts)[absl::StrCat("passes ", layer.passes)];
  }
}

class FpgaLowering : public ::testing::TestWithParam<std::string> {};

TEST_P(FpgaLowering, RandomGraphs) {
  const hw::Configuration& configuration = *hw::FindConfiguration(GetParam());
  Counts counts;
  const auto index = static_cast<uint64_t>(&configuration - hw::kConfigurations.data());
  uint64_t first = 1 + index * kGraphs, last = first + kGraphs - 1;
  if (const char* only = std::getenv("MSQ_CONFORMANCE_SEED")) {
    ASSERT_TRUE(absl::SimpleAtoi(only, &first)) << only;
    last = first;
  }
  for (uint64_t seed = first; seed <= last; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Check(seed, configuration, &counts)) << "seed " << seed << " on " << GetParam();
  }
  for (const auto& [what, count] : counts) std::cout << what << ": " << count << "\n";
  if (first == last) return;
  for (const char* what : {"run",
                           "Conv",
                           "Conv packed",
                           "Dense",
                           "Add",
                           "Rescale",
                           "MaxPool",
                           "AveragePool",
                           "GlobalAveragePool",
                           "Concat in place",
                           "Concat by copies",
                           "ResizeNearest",
                           "Pad",
                           "Slice",
                           "passes 1",
                           "passes 2",
                           "passes 3",
                           "passes 4",
                           "passes 6",
                           "passes 8"}) {
    EXPECT_GE(counts[what], 1) << what;
  }
  EXPECT_LT(counts["refused"], counts["run"]);
}

INSTANTIATE_TEST_SUITE_P(All, FpgaLowering, ::testing::Values("tiny", "z020", "z045", "paper_z020", "paper_z045"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace msq::conformance
