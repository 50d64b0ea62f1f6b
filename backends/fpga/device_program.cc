#include "backends/fpga/device_program.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr std::chrono::milliseconds kCheckInterval(10);

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

class DeviceProgram::Lease {
 public:
  Lease(DeviceProgram* program, std::unique_ptr<Lane> lane) : program_(program), lane_(std::move(lane)) {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (lane_ != nullptr) program_->EndLane(std::move(lane_), well_);
  }
  Lane* lane() const { return lane_.get(); }
  void EndWell() { well_ = true; }

 private:
  DeviceProgram* program_;
  std::unique_ptr<Lane> lane_;
  bool well_ = false;
};

// A free lane or, if it may be, a new one without slots. Null: all lanes could not be had and there is none to wait for.
absl::StatusOr<std::unique_ptr<DeviceProgram::Lane>> DeviceProgram::WaitForLane(bool may_make, const Check& check) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!free_.empty()) {
      std::unique_ptr<Lane> lane = std::move(free_.back());
      free_.pop_back();
      return lane;
    }
    if (may_make && lanes_ < kMaxLanes) {
      auto lane = std::make_unique<Lane>();
      ++lanes_;
      return lane;
    }
    if (lanes_ == 0) return nullptr;
    freed_.wait_for(lock, kCheckInterval);
    lock.unlock();
    MSQ_RETURN_IF_ERROR(check());
    lock.lock();
  }
}

absl::Status DeviceProgram::Grow(Lane* lane, size_t slots) {
  while (lane->slots.size() < slots) {
    absl::StatusOr<Slot> slot = MakeSlot();
    if (!slot.ok() && absl::IsResourceExhausted(slot.status()) && !lane->slots.empty()) break;  // one will do
    if (!slot.ok()) return slot.status();
    lane->slots.push_back(*std::move(slot));
  }
  return absl::OkStatus();
}

absl::StatusOr<DeviceProgram::Lease> DeviceProgram::TakeLane(size_t slots, const Check& check) {
  absl::Status no_room;
  for (;;) {
    MSQ_ASSIGN_OR_RETURN(std::unique_ptr<Lane> lane, WaitForLane(no_room.ok(), check));
    if (lane == nullptr) return no_room;
    Lease lease(this, std::move(lane));
    const absl::Status grown = Grow(lease.lane(), slots);
    if (grown.ok()) return lease;
    if (!absl::IsResourceExhausted(grown)) return grown;
    no_room = grown;  // beside the lanes that there are
  }
}

void DeviceProgram::EndLane(std::unique_ptr<Lane> lane, bool well) {
  if (!well && accelerator_->may_run_on()) {
    for (Slot& slot : lane->slots) accelerator_->Keep(std::move(slot.buffer));
  }
  {
    std::lock_guard lock(mutex_);
    if (well) {
      free_.push_back(std::move(lane));
    } else {
      --lanes_;
    }
  }
  freed_.notify_all();
}

void DeviceProgram::DropFreeLanes() {
  std::vector<std::unique_ptr<Lane>> gone;  // after the lock
  std::lock_guard lock(mutex_);
  std::move(free_.begin(), free_.end(), std::back_inserter(gone));
  free_.clear();  // which keeps its room
  lanes_ -= static_cast<int>(gone.size());
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

absl::StatusOr<ProgramCounters> DeviceProgram::Run(const Job& job, const Check& check) {
  MSQ_ASSIGN_OR_RETURN(Lease lease, TakeLane(job.samples > 1 ? 2 : 1, check));
  absl::StatusOr<ProgramCounters> counters = RunThrough(lease.lane(), job, check);
  if (counters.ok()) lease.EndWell();
  return counters;
}

absl::StatusOr<ProgramCounters> DeviceProgram::RunThrough(Lane* lane, const Job& job, const Check& check) {
  const absl::Duration expected = ExpectedTime(program_);
  const size_t slots = lane->slots.size();
  const auto slot = [&](int64_t sample) { return &lane->slots[static_cast<size_t>(sample) % slots]; };
  ProgramCounters total;
  MSQ_RETURN_IF_ERROR(Fill(slot(0), job.inputs(0)));
  for (int64_t i = 0; i < job.samples; ++i) {
    MSQ_ASSIGN_OR_RETURN(Accelerator::Running running, accelerator_->Start(slot(i)->place, expected, check));
    absl::Status beside;  // what the host does meanwhile
    if (slots > 1 && i > 0) beside = Empty(slot(i - 1), job.outputs(i - 1));
    if (slots > 1 && beside.ok() && i + 1 < job.samples) beside = Fill(slot(i + 1), job.inputs(i + 1));
    MSQ_ASSIGN_OR_RETURN(const ProgramCounters counters, running.Finish());
    MSQ_RETURN_IF_ERROR(beside);
    total += counters;
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
