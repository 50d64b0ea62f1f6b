#include "backends/cpu/memory_plan.h"

#include "backends/cpu/kernels/kernel_table.h"
#include "backends/testing/synthetic_networks.h"
#include "gtest/gtest.h"
#include "model/testing/sample_model.h"

namespace msq::cpu {
namespace {

// First and last node at which a tensor must keep its bytes.
struct Life {
  int64_t first = -1;  // -1: before the first node
  int64_t last = -1;
};

std::vector<Life> Lives(const ir::Graph& graph) {
  std::vector<Life> lives(graph.tensors.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto node = static_cast<int64_t>(i);
    lives[static_cast<size_t>(graph.nodes[i].output)] = {node, node};
    for (ir::TensorId id : graph.nodes[i].inputs) lives[static_cast<size_t>(id)].last = node;
  }
  for (ir::TensorId id : graph.outputs) lives[static_cast<size_t>(id)].last = std::ssize(graph.nodes);
  return lives;
}

void ExpectNoOverlap(const ir::Graph& graph) {
  const MemoryPlan plan = PlanMemory(graph);
  const std::vector<Life> lives = Lives(graph);
  int64_t total = 0;
  for (size_t a = 0; a < lives.size(); ++a) {
    const Buffer& x = plan.buffers[a];
    EXPECT_GE(x.bytes, graph.tensors[a].type.ByteSize() + kReadSlack);
    EXPECT_EQ(x.offset % 64, 0);
    EXPECT_LE(x.offset + x.bytes, plan.bytes);
    total += x.bytes;
    for (size_t b = a + 1; b < lives.size(); ++b) {
      const Buffer& y = plan.buffers[b];
      const bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
      const bool apart = x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset;
      EXPECT_TRUE(!together || apart) << "tensors " << a << " and " << b;
    }
  }
  EXPECT_LT(plan.bytes, total) << "nothing is shared";
}

TEST(MemoryPlanTest, TensorsThatLiveTogetherLieApart) {
  ExpectNoOverlap(testing::SampleModel().graph);
  ExpectNoOverlap(testing::ResNetCifar(3));
  ExpectNoOverlap(testing::MobileNetLike());
}

// A chain needs no more than a layer's input, output and residual at once.
TEST(MemoryPlanTest, DeepNetworksNeedNoMoreThanShallowOnes) {
  EXPECT_EQ(PlanMemory(testing::ResNetCifar(9)).bytes, PlanMemory(testing::ResNetCifar(2)).bytes);
}

}  // namespace
}  // namespace msq::cpu
