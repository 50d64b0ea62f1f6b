#include "backends/cpu/executable.h"

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/clock.h"
#include "base/status.h"

namespace msq::cpu {
namespace {

// More samples at a time would push activations out of the caches; the memory bound matters for very large graphs only.
constexpr int64_t kMaxBatch = 16;
constexpr int64_t kMaxArenaBytes = int64_t{256} << 20;
// Kept between runs; a burst of concurrent runs must not hold its memory for ever. Runs queue for the processor beyond this.
const int64_t kMaxFreeWorkspaces = std::max(1u, std::thread::hardware_concurrency());

absl::Status CheckContext(const RunContext& context) {
  if (context.cancelled != nullptr && context.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("cancelled during the run");
  }
  if (context.deadline != absl::InfiniteFuture() && Clock::Real().Now() >= context.deadline) {
    return absl::DeadlineExceededError("deadline passed during the run");
  }
  return absl::OkStatus();
}

}  // namespace

CpuExecutable::CpuExecutable(const ir::Graph& graph, Plan plan, int threads)
    : Executable(graph),
      plan_(std::move(plan)),
      max_batch_(std::clamp<int64_t>(kMaxArenaBytes / plan_.memory.bytes, 1, kMaxBatch)),
      pool_(std::make_unique<ThreadPool>(threads)) {
  const auto port = [&](ir::TensorId id, BoxCopy (*make)(const ir::Shape&, int64_t)) {
    const ir::TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
    const int64_t element_bytes = type.kind == ir::TensorType::Kind::kCode ? 1 : 4;
    return Port{make(type.shape, element_bytes), plan_.memory.buffers[static_cast<size_t>(id)], type.ByteSize()};
  };
  for (ir::TensorId id : graph.inputs) input_ports_.push_back(port(id, FromRowMajor));
  for (ir::TensorId id : graph.outputs) output_ports_.push_back(port(id, ToRowMajor));
}

int64_t CpuExecutable::weight_bytes() const {
  int64_t bytes = 0;
  for (const auto& step : plan_.steps) bytes += step->weight_bytes();
  return bytes;
}

absl::StatusOr<std::unique_ptr<CpuExecutable::Workspace>> CpuExecutable::Borrow(int64_t batch) const {
  std::unique_ptr<Workspace> workspace;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      workspace = std::move(free_.back());
      free_.pop_back();
    }
  }
  const int64_t arena = plan_.memory.bytes * batch, scratch = plan_.scratch_bytes * pool_->threads();
  try {
    const size_t arena_bytes = AllocationSize(arena), scratch_bytes = AllocationSize(scratch);
    if (workspace == nullptr) workspace = std::make_unique<Workspace>();
    if (workspace->arena.size() < arena_bytes) workspace->arena = AlignedBuffer(arena_bytes);
    if (workspace->scratch.size() < scratch_bytes) workspace->scratch = AlignedBuffer(scratch_bytes);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for a run: ", arena + scratch, " bytes"));
  }
  return workspace;
}

void CpuExecutable::Return(std::unique_ptr<Workspace> workspace) const {
  std::lock_guard lock(mutex_);
  if (std::ssize(free_) < kMaxFreeWorkspaces) free_.push_back(std::move(workspace));
}

absl::Status CpuExecutable::DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                                  RunContext& context) const {
  const int64_t batch = inputs[0].batch;
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<Workspace> workspace, Borrow(std::min(batch, max_batch_)));
  absl::Status status;
  for (int64_t first = 0; first < batch && status.ok(); first += max_batch_) {
    const Frame frame{.arena = workspace->arena.as<uint8_t>(),
                      .batch = std::min(max_batch_, batch - first),
                      .scratch = workspace->scratch.as<uint8_t>(),
                      .scratch_bytes = plan_.scratch_bytes,
                      .pool = pool_.get()};
    status = RunChunk(inputs, outputs, first, frame, context);
  }
  Return(std::move(workspace));
  return status;
}

absl::Status CpuExecutable::RunChunk(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                                     int64_t first, const Frame& frame, const RunContext& context) const {
  frame.ForEach(frame.batch, [&](int64_t sample, uint8_t*) {
    for (size_t i = 0; i < input_ports_.size(); ++i) {
      const Port& port = input_ports_[i];
      port.copy.Run(inputs[i].bytes.data() + (first + sample) * port.sample_bytes, frame.Sample(port.buffer, sample));
    }
  });
  for (const auto& step : plan_.steps) {
    MSQ_RETURN_IF_ERROR(CheckContext(context));
    step->Run(frame);
  }
  frame.ForEach(frame.batch, [&](int64_t sample, uint8_t*) {
    for (size_t i = 0; i < output_ports_.size(); ++i) {
      const Port& port = output_ports_[i];
      port.copy.Run(frame.Sample(port.buffer, sample), outputs[i].bytes.data() + (first + sample) * port.sample_bytes);
    }
  });
  return absl::OkStatus();
}

}  // namespace msq::cpu
