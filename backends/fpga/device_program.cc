#include "backends/fpga/device_program.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace msq::fpga {
namespace {

// What the program's steps take if nothing stalls: enough for a guess of when to look.
absl::Duration ExpectedTime(const Program& program) {
  int64_t cycles = 0;
  for (const LayerRecord& layer : program.layers) cycles += layer.cycles;
  constexpr double kClockHz = 100e6;
  return absl::Seconds(static_cast<double>(cycles) / kClockHz);
}

}  // namespace

absl::StatusOr<DeviceProgram::Slot> DeviceProgram::MakeSlot() {
  Slot slot;
  MSQ_ASSIGN_OR_RETURN(slot.buffer, accelerator_->Allocate(program_.dram_bytes));
  const uint64_t base = slot.buffer->address();
  Program moved = program_;
  moved.MoveTo(base);
  std::copy(moved.image.begin(), moved.image.end(), slot.buffer->host_bytes().begin());
  MSQ_RETURN_IF_ERROR(slot.buffer->Upload(0, static_cast<int64_t>(moved.image.size())));
  slot.place = {base, base, static_cast<uint64_t>(program_.dram_bytes)};
  return slot;
}

absl::StatusOr<std::unique_ptr<DeviceProgram::Lane>> DeviceProgram::TakeLane(size_t slots) {
  std::unique_ptr<Lane> lane;
  {
    std::lock_guard lock(mutex_);
    if (!lanes_.empty()) {
      lane = std::move(lanes_.back());
      lanes_.pop_back();
    }
  }
  if (lane == nullptr) lane = std::make_unique<Lane>();
  while (lane->slots.size() < slots) {
    absl::StatusOr<Slot> slot = MakeSlot();
    if (!slot.ok() && absl::IsResourceExhausted(slot.status()) && !lane->slots.empty()) break;  // one will do
    if (!slot.ok()) return slot.status();
    lane->slots.push_back(*std::move(slot));
  }
  return lane;
}

void DeviceProgram::GiveLane(std::unique_ptr<Lane> lane) {
  std::lock_guard lock(mutex_);
  lanes_.push_back(std::move(lane));
}

absl::Status DeviceProgram::Fill(Slot* slot, const SampleInputs& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const HostTensor& tensor = program_.inputs[i];
    const std::span<std::byte> words =
        slot->buffer->host_bytes().subspan(static_cast<size_t>(tensor.dram), static_cast<size_t>(tensor.bytes()));
    PackInput(tensor, inputs[i], words);
    MSQ_RETURN_IF_ERROR(slot->buffer->Upload(tensor.dram, tensor.bytes()));
  }
  return absl::OkStatus();
}

absl::Status DeviceProgram::Empty(Slot* slot, const SampleOutputs& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const HostTensor& tensor = program_.outputs[i];
    MSQ_RETURN_IF_ERROR(slot->buffer->Download(tensor.dram, tensor.bytes()));
    const std::span<const std::byte> words =
        slot->buffer->host_bytes().subspan(static_cast<size_t>(tensor.dram), static_cast<size_t>(tensor.bytes()));
    UnpackOutput(tensor, words, outputs[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<ProgramCounters> DeviceProgram::Run(const Job& job, const std::function<absl::Status()>& check) {
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<Lane> lane, TakeLane(job.samples > 1 ? 2 : 1));
  absl::StatusOr<ProgramCounters> counters = RunThrough(lane.get(), job, check);
  // After an error the accelerator may still write to the lane's memory; nobody else is to have it.
  if (counters.ok()) GiveLane(std::move(lane));
  return counters;
}

absl::StatusOr<ProgramCounters> DeviceProgram::RunThrough(Lane* lane, const Job& job,
                                                          const std::function<absl::Status()>& check) {
  const absl::Duration expected = ExpectedTime(program_);
  const size_t slots = lane->slots.size();
  const auto slot = [&](int64_t sample) { return &lane->slots[static_cast<size_t>(sample) % slots]; };
  ProgramCounters total;
  MSQ_RETURN_IF_ERROR(Fill(slot(0), job.inputs(0)));
  for (int64_t i = 0; i < job.samples; ++i) {
    MSQ_RETURN_IF_ERROR(accelerator_->Start(slot(i)->place));
    absl::Status beside;  // what the host does meanwhile
    if (slots > 1 && i > 0) beside = Empty(slot(i - 1), job.outputs(i - 1));
    if (slots > 1 && beside.ok() && i + 1 < job.samples) beside = Fill(slot(i + 1), job.inputs(i + 1));
    absl::StatusOr<ProgramCounters> counters = accelerator_->Finish(expected);
    if (!counters.ok()) return counters;
    MSQ_RETURN_IF_ERROR(beside);
    total += *counters;
    if (slots == 1) {
      MSQ_RETURN_IF_ERROR(Empty(slot(i), job.outputs(i)));
      if (i + 1 < job.samples) MSQ_RETURN_IF_ERROR(Fill(slot(i + 1), job.inputs(i + 1)));
    }
    if (i + 1 < job.samples) MSQ_RETURN_IF_ERROR(check());
  }
  if (slots > 1) MSQ_RETURN_IF_ERROR(Empty(slot(job.samples - 1), job.outputs(job.samples - 1)));
  return total;
}

}  // namespace msq::fpga
