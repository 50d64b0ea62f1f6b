// The conformance suite: every engine against the reference, bit for bit, on random graphs and on whole networks.
//   MSQ_CONFORMANCE_SEED=n     only the random graph of that seed (what a failure prints)
//   MSQ_CONFORMANCE_GRAPHS=n   that many random graphs instead of kGraphs
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "backends/testing/synthetic_networks.h"
#include "gtest/gtest.h"
#include "model/format/artifact.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"
#include "tests/conformance/conform.h"
#include "tests/conformance/features.h"
#include "tests/conformance/large_cases.h"
#include "tests/conformance/random_graph.h"

namespace msq::conformance {
namespace {

constexpr int64_t kGraphs = 200;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  int64_t value = otherwise;
  if (text != nullptr && !absl::SimpleAtoi(text, &value)) ADD_FAILURE() << name << " is no number: " << text;
  return value;
}

// A run that compared nothing has proved nothing, whatever its tests say.
class ComparedSomething : public ::testing::Environment {
  void TearDown() override {
    std::cout << ValuesCompared() << " values compared on " << Engines().size() << " engines\n";
    EXPECT_GT(ValuesCompared(), 0) << "no value was compared";
  }
};
const ::testing::Environment* const kComparedSomething = ::testing::AddGlobalTestEnvironment(new ComparedSomething);

void CheckSeed(uint64_t seed) {
  const ir::Graph graph = RandomGraph(seed);
  const absl::Status verified = ir::Verify(graph);
  ASSERT_TRUE(verified.ok()) << "seed " << seed << " makes a graph that does not verify: " << verified;
  const std::string replay =
      absl::StrCat("MSQ_CONFORMANCE_SEED=", seed, " build/dev/tests/conformance_test --gtest_filter='*RandomGraphs'");
  ASSERT_TRUE(ConformOnGraph(graph, RandomSamples(graph, kMaxBatch, seed), replay)) << "seed " << seed;
}

TEST(ConformanceTest, RandomGraphs) {
  if (std::getenv("MSQ_CONFORMANCE_SEED") != nullptr) return CheckSeed(FromEnvironment("MSQ_CONFORMANCE_SEED", 0));
  const int64_t graphs = FromEnvironment("MSQ_CONFORMANCE_GRAPHS", kGraphs);
  ASSERT_GT(graphs, 0);
  for (int64_t seed = 1; seed <= graphs; ++seed) ASSERT_NO_FATAL_FAILURE(CheckSeed(seed));
}

// The suite's own coverage: what the default seeds do not contain has not been tested.
TEST(ConformanceTest, RandomGraphsHaveEveryFeature) {
  FeatureCounts counts = AllFeatures();
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) CountFeatures(RandomGraph(seed), &counts);
  for (const auto& [feature, count] : counts) EXPECT_GE(count, 3) << feature;
}

TEST(ConformanceTest, LargeCases) {
  for (const ir::Graph& graph : LargeCases()) {
    const absl::Status verified = ir::Verify(graph);
    ASSERT_TRUE(verified.ok()) << graph.name << ": " << verified;
    EXPECT_TRUE(ConformOnGraph(graph, RandomSamples(graph, 4, 1), "this test")) << graph.name;
  }
}

void CheckNetwork(const ir::Graph& graph, int64_t samples) {
  const absl::Status verified = ir::Verify(graph);
  ASSERT_TRUE(verified.ok()) << verified;
  EXPECT_TRUE(ConformOnGraph(graph, RandomSamples(graph, samples, 1), "this test"));
}

TEST(ConformanceTest, SampleModel) {
  CheckNetwork(testing::SampleModel().graph, kMaxBatch);
}
TEST(ConformanceTest, ResNetCifar) {
  CheckNetwork(testing::ResNetCifar(3), kMaxBatch);
}
TEST(ConformanceTest, DemoNetwork) {
  const auto model = format::ReadFile("demo/repository/characters/1/model.msq");
  ASSERT_TRUE(model.ok()) << model.status();
  CheckNetwork(model->graph, kMaxBatch);
}
TEST(ConformanceTest, MobileNetLike) {
  CheckNetwork(testing::MobileNetLike(), kMaxBatch);
}

// The checker must be able to fail: an engine with one constant changed is caught, and the report says where.
TEST(ConformanceTest, CatchesAWrongBit) {
  const ir::Graph graph = testing::SampleModel().graph;
  Engine wrong = Engines().front();
  wrong.prepare = [right = wrong.prepare](const ir::Graph& g) {
    ir::Graph changed = g;
    for (ir::Node& node : changed.nodes) {
      if (auto* conv = std::get_if<ir::Conv>(&node.op)) {
        std::get<ir::Requantizer>(conv->epilogue).addends[1] += int64_t{1} << 30;
        break;
      }
    }
    return right(changed);
  };
  const auto result = ConformOnGraph(graph, RandomSamples(graph, 2, 1), "replay me", std::vector{wrong});
  ASSERT_FALSE(result);
  const std::string message = result.message();
  for (const char* part :
       {"batch 1", "first wrong: tensor 1 [8,8,8] of Conv node 'conv'", "expected", "got", "replay me"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " is missing in: " << message;
  }
}

TEST(ConformanceTest, NoEngineIsAFailure) {
  const ir::Graph graph = testing::SampleModel().graph;
  EXPECT_FALSE(ConformOnGraph(graph, RandomSamples(graph, 1, 1), "", std::span<const Engine>()));
}

}  // namespace
}  // namespace msq::conformance
