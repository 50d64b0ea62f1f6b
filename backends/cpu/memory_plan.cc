#include "backends/cpu/memory_plan.h"

#include <algorithm>
#include <map>

#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {
namespace {

constexpr int64_t kAlignment = 64;

// Free memory is the gaps between the live buffers; the first gap that is large enough is taken.
class Allocator {
 public:
  int64_t Take(int64_t bytes) {
    int64_t offset = 0;
    for (const auto& [begin, end] : live_) {
      if (begin - offset >= bytes) break;
      offset = end;
    }
    live_[offset] = offset + bytes;
    high_water_ = std::max(high_water_, offset + bytes);
    return offset;
  }
  void Release(int64_t offset) { live_.erase(offset); }
  int64_t high_water() const { return high_water_; }

 private:
  std::map<int64_t, int64_t> live_;  // begin -> end
  int64_t high_water_ = 0;
};

// The node after which each tensor is not read any more; nodes.size() for graph outputs.
std::vector<size_t> LastUses(const ir::Graph& graph) {
  std::vector<size_t> last(graph.tensors.size(), 0);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ir::TensorId id : graph.nodes[i].inputs) last[static_cast<size_t>(id)] = i;
    last[static_cast<size_t>(graph.nodes[i].output)] = i;
  }
  for (ir::TensorId id : graph.outputs) last[static_cast<size_t>(id)] = graph.nodes.size();
  return last;
}

}  // namespace

MemoryPlan PlanMemory(const ir::Graph& graph) {
  const std::vector<size_t> last = LastUses(graph);
  std::vector<std::vector<ir::TensorId>> dying(graph.nodes.size() + 1);
  MemoryPlan plan;
  plan.buffers.resize(graph.tensors.size());
  Allocator allocator;
  const auto take = [&](ir::TensorId id) {
    const auto i = static_cast<size_t>(id);
    const int64_t bytes = RoundUp(graph.tensors[i].type.ByteSize() + kReadSlack, kAlignment);
    plan.buffers[i] = {allocator.Take(bytes), bytes};
    dying[last[i]].push_back(id);
  };
  for (ir::TensorId id : graph.inputs) take(id);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    take(graph.nodes[i].output);
    for (ir::TensorId id : dying[i]) allocator.Release(plan.buffers[static_cast<size_t>(id)].offset);
  }
  plan.bytes = allocator.high_water();
  return plan;
}

}  // namespace msq::cpu
