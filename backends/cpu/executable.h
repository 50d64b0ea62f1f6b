// A planned graph that runs: lends each run memory of its own and walks the steps.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "backends/backend.h"
#include "backends/cpu/box_copy.h"
#include "backends/cpu/planner.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace msq::cpu {

// Thread-safe: concurrent runs share the plan and the threads, never memory.
class CpuExecutable final : public Executable {
 public:
  CpuExecutable(const ir::Graph& graph, Plan plan, int threads);
  int64_t weight_bytes() const override;

 protected:
  absl::Status DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                     RunContext& context) const override;

 private:
  // Between the caller's memory and a buffer of the plan.
  struct Port {
    BoxCopy copy;
    Buffer buffer;
    int64_t sample_bytes;
  };
  struct Workspace {
    AlignedBuffer arena;
    AlignedBuffer scratch;
  };

  // RESOURCE_EXHAUSTED when memory does not suffice.
  absl::StatusOr<std::unique_ptr<Workspace>> Borrow(int64_t batch) const;
  void Return(std::unique_ptr<Workspace> workspace) const;
  // Samples [first, first + frame.batch).
  absl::Status RunChunk(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs, int64_t first,
                        const Frame& frame, const RunContext& context) const;

  Plan plan_;
  std::vector<Port> input_ports_;
  std::vector<Port> output_ports_;
  int64_t max_batch_;  // samples that go through the steps together
  const std::unique_ptr<ThreadPool> pool_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> free_;  // guarded by mutex_
};

}  // namespace msq::cpu
