#include "backends/fpga/fpga_executable.h"

#include <algorithm>
#include <new>
#include <utility>

#include "backends/fpga/folded_batch.h"
#include "base/aligned_buffer.h"
#include "base/clock.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

ElementType ElementTypeOf(const ir::TensorType& type) {
  return type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
}

std::span<std::byte> SampleOf(std::span<std::byte> all, int64_t sample, int64_t batch) {
  const size_t bytes = all.size() / static_cast<size_t>(batch);
  return all.subspan(static_cast<size_t>(sample) * bytes, bytes);
}

// A program's work on `samples` samples, of which each tensor holds one after the other.
DeviceProgram::Job JobOf(std::vector<std::span<std::byte>> inputs, std::vector<std::span<std::byte>> outputs,
                         int64_t samples) {
  DeviceProgram::Job job;
  job.samples = samples;
  job.inputs = [inputs = std::move(inputs), samples](int64_t sample) {
    SampleInputs parts;
    for (std::span<std::byte> input : inputs) parts.push_back(SampleOf(input, sample, samples));
    return parts;
  };
  job.outputs = [outputs = std::move(outputs), samples](int64_t sample) {
    SampleOutputs parts;
    for (std::span<std::byte> output : outputs) parts.push_back(SampleOf(output, sample, samples));
    return parts;
  };
  return job;
}

absl::Status CheckContext(const RunContext& context) {
  if (context.cancelled != nullptr && context.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("cancelled during the run");
  }
  if (Clock::Real().Now() >= context.deadline) return absl::DeadlineExceededError("deadline passed during the run");
  return absl::OkStatus();
}

void Count(const ProgramCounters& counters, RunStatistics* statistics) {
  statistics->cycles = statistics->cycles.value_or(0) + counters.cycles;
  statistics->dsp_busy_cycles = statistics->dsp_busy_cycles.value_or(0) + counters.dsp_busy;
  statistics->lut_busy_cycles = statistics->lut_busy_cycles.value_or(0) + counters.lut_busy;
  statistics->bytes_moved = statistics->bytes_moved.value_or(0) + counters.dram_bytes();
}

}  // namespace

FpgaExecutable::FpgaExecutable(const ir::Graph& graph, Parts parts, DevicePool* pool, Verifier* verifier)
    : Executable(graph),
      parts_(std::move(parts)),
      needs_device_(std::any_of(parts_.stages.begin(), parts_.stages.end(),
                                [](const Stage& stage) { return stage.program.has_value(); })),
      graph_inputs_(graph.inputs),
      graph_outputs_(graph.outputs),
      pool_(*pool),
      verifier_(verifier) {
  for (const Stage& stage : parts_.stages) {
    for (ir::TensorId id : stage.outputs) {
      const auto& outputs = graph.outputs;
      if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) continue;
      between_[id] = graph.tensors[static_cast<size_t>(id)].type.ByteSize();
    }
  }
}

FpgaExecutable::~FpgaExecutable() {
  for (const Stage& stage : parts_.stages) {
    if (stage.program) pool_.Forget(*stage.program);
    if (stage.folded) pool_.Forget(*stage.folded);
  }
}

int64_t FpgaExecutable::weight_bytes() const {
  int64_t bytes = parts_.check == nullptr ? 0 : parts_.check->weight_bytes();
  for (const Stage& stage : parts_.stages) {
    if (stage.program) bytes += static_cast<int64_t>(stage.program->image.size());
  }
  for (const auto& executable : parts_.on_cpu) {
    if (executable != nullptr) bytes += executable->weight_bytes();
  }
  return bytes;
}

std::vector<std::byte> FpgaExecutable::Intermediates(int64_t batch, Views* views) const {
  int64_t bytes = 0;
  for (const auto& [id, size] : between_) bytes += size * batch;
  std::vector<std::byte> memory(AllocationSize(bytes));
  size_t place = 0;
  for (const auto& [id, size] : between_) {
    const auto all = static_cast<size_t>(size * batch);
    (*views)[id] = std::span(memory).subspan(place, all);
    place += all;
  }
  return memory;
}

absl::Status FpgaExecutable::DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                                   RunContext& context) const {
  try {
    return RunStages(inputs, outputs, context);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory for a run");
  }
}

absl::Status FpgaExecutable::RunStages(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                                       RunContext& context) const {
  const int64_t batch = inputs[0].batch;
  Views views;
  const std::vector<std::byte> memory = Intermediates(batch, &views);
  for (size_t i = 0; i < inputs.size(); ++i) {
    // Stages only read what they do not make.
    views[graph_inputs_[i]] = {const_cast<std::byte*>(inputs[i].bytes.data()), inputs[i].bytes.size()};
  }
  // A tensor may be several outputs, or an input and an output.
  for (size_t i = 0; i < outputs.size(); ++i) views.emplace(graph_outputs_[i], outputs[i].bytes);
  std::vector<DeviceUse> devices;
  for (size_t i = 0; i < parts_.stages.size(); ++i) {
    DeviceUse used;
    MSQ_RETURN_IF_ERROR(RunStage(i, views, batch, context, &used));
    if (used.accelerator != 0) devices.push_back(used);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::span<std::byte> made = views.at(graph_outputs_[i]);
    if (made.data() != outputs[i].bytes.data()) std::copy(made.begin(), made.end(), outputs[i].bytes.begin());
  }
  Verify(inputs, outputs, devices);
  return absl::OkStatus();
}

void FpgaExecutable::Verify(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                            const std::vector<DeviceUse>& devices) const {
  if (verifier_ == nullptr || parts_.check == nullptr) return;
  const int64_t batch = inputs[0].batch;
  for (int64_t sample = 0; sample < batch; ++sample) {
    if (!verifier_->Wants()) continue;
    Verifier::Answer answer{parts_.label, parts_.check, {}, {}, devices};
    const auto copy = [&](std::span<const std::byte> all, std::vector<std::vector<std::byte>>* to) {
      const size_t bytes = all.size() / static_cast<size_t>(batch);
      const auto part = all.subspan(static_cast<size_t>(sample) * bytes, bytes);
      to->emplace_back(part.begin(), part.end());
    };
    for (const ConstTensorView& input : inputs) copy(input.bytes, &answer.inputs);
    for (const TensorView& output : outputs) copy(output.bytes, &answer.outputs);
    verifier_->Add(std::move(answer));
  }
}

absl::Status FpgaExecutable::RunStage(size_t stage, const Views& views, int64_t batch, RunContext& context,
                                      DeviceUse* used) const {
  MSQ_RETURN_IF_ERROR(CheckContext(context));
  if (!parts_.stages[stage].program) return RunOnCpu(stage, views, batch, context);
  const bool folded = batch > 1 && parts_.stages[stage].folded;
  return folded ? RunFolded(stage, views, batch, context, used) : RunOnDevice(stage, views, batch, context, used);
}

absl::Status FpgaExecutable::RunOnCpu(size_t stage, const Views& views, int64_t batch, RunContext& context) const {
  const Executable& executable = *parts_.on_cpu[stage];
  std::vector<ConstTensorView> inputs;
  std::vector<TensorView> outputs;
  for (size_t i = 0; i < executable.inputs().size(); ++i) {
    inputs.push_back({ElementTypeOf(executable.inputs()[i].type), batch, views.at(parts_.stages[stage].inputs[i])});
  }
  for (size_t i = 0; i < executable.outputs().size(); ++i) {
    outputs.push_back({ElementTypeOf(executable.outputs()[i].type), batch, views.at(parts_.stages[stage].outputs[i])});
  }
  RunContext on_cpu{context.deadline, context.cancelled, {}};
  return executable.Run(inputs, outputs, on_cpu);
}

absl::Status FpgaExecutable::RunOnDevice(size_t stage, const Views& views, int64_t batch, RunContext& context,
                                         DeviceUse* used) const {
  const Stage& what = parts_.stages[stage];
  std::vector<std::span<std::byte>> inputs, outputs;
  for (ir::TensorId id : what.inputs) inputs.push_back(views.at(id));
  for (ir::TensorId id : what.outputs) outputs.push_back(views.at(id));
  return RunProgram(*what.program, JobOf(inputs, outputs, batch), context, used);
}

absl::Status FpgaExecutable::RunFolded(size_t stage, const Views& views, int64_t batch, RunContext& context,
                                       DeviceUse* used) const {
  const Stage& what = parts_.stages[stage];
  const int64_t runs = (batch + what.fold - 1) / what.fold;
  const auto width = [&](ir::TensorId id) {
    return what.graph.tensors[static_cast<size_t>(id)].type.kind == ir::TensorType::Kind::kCode ? 1 : 4;
  };
  std::vector<std::vector<std::byte>> inputs, outputs;
  for (size_t i = 0; i < what.inputs.size(); ++i) {
    inputs.push_back(FoldSamples(views.at(what.inputs[i]), batch, width(what.graph.inputs[i]), what.fold));
  }
  for (ir::TensorId id : what.outputs) {
    outputs.emplace_back(AllocationSize(std::ssize(views.at(id)) / batch * what.fold * runs));
  }
  const DeviceProgram::Job job = JobOf({inputs.begin(), inputs.end()}, {outputs.begin(), outputs.end()}, runs);
  MSQ_RETURN_IF_ERROR(RunProgram(*what.folded, job, context, used));
  for (size_t i = 0; i < what.outputs.size(); ++i) {
    UnfoldSamples(outputs[i], batch, width(what.graph.outputs[i]), what.fold, views.at(what.outputs[i]));
  }
  return absl::OkStatus();
}

// On the accelerators in turn until one of them has worked.
absl::Status FpgaExecutable::RunProgram(const Program& program, const DeviceProgram::Job& job, RunContext& context,
                                        DeviceUse* used) const {
  const auto check = [&context] { return CheckContext(context); };
  for (;;) {
    MSQ_ASSIGN_OR_RETURN(const DevicePool::Use use, pool_.Take());
    const absl::Time begin = Clock::Real().Now();
    absl::StatusOr<ProgramCounters> counters = pool_.ProgramOn(use, program)->Run(job, check);
    if (absl::IsResourceExhausted(counters.status())) {
      pool_.MakeRoom(use, program);
      counters = pool_.ProgramOn(use, program)->Run(job, check);
    }
    if (counters.ok()) {
      pool_.CountRun(use.device(), Clock::Real().Now() - begin);
      Count(*counters, &context.statistics);
      *used = {use.device(), use.accelerator()->id()};
      return absl::OkStatus();
    }
    if (absl::IsResourceExhausted(counters.status())) {  // another backend may have some
      return Unavailable("'", parts_.label, "': ", std::string(Message(counters.status())));
    }
    if (!absl::IsUnavailable(counters.status())) return counters.status();
    pool_.Quarantine(use, counters.status());
  }
}

int64_t FpgaExecutable::preferred_batch() const {
  int64_t preferred = 1;
  for (const Stage& stage : parts_.stages) preferred = std::max(preferred, stage.fold);
  return preferred;
}

}  // namespace msq::fpga
