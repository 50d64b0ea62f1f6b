// A program on one accelerator: its constants in the accelerator's memory, and lanes that batches run through.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/backend.h"
#include "backends/fpga/accelerator.h"
#include "backends/fpga/lowering/program.h"

namespace msq::fpga {

// Bytes of one sample of every input, and of every output, by position.
using SampleInputs = std::vector<std::span<const std::byte>>;
using SampleOutputs = std::vector<std::span<std::byte>>;

// Thread-safe: batches under way at once each take a lane, and the accelerator in turn. Two lanes keep it busy; who finds
// both taken waits.
class DeviceProgram {
 public:
  // The program must outlive this.
  DeviceProgram(std::shared_ptr<Accelerator> accelerator, const Program& program)
      : accelerator_(std::move(accelerator)), program_(program) {
    free_.reserve(kMaxLanes);
  }

  const Accelerator* accelerator() const { return accelerator_.get(); }

  struct Job {
    int64_t samples = 0;
    std::function<SampleInputs(int64_t)> inputs;
    std::function<SampleOutputs(int64_t)> outputs;
  };
  // What the samples took together. While one is computed, the next is packed and the one before is unpacked. `check`
  // says while something is waited for whether to go on. UNAVAILABLE when the accelerator failed; RESOURCE_EXHAUSTED when
  // its memory has no room.
  absl::StatusOr<ProgramCounters> Run(const Job& job, const Check& check);

  // Gives back the memory of lanes that nobody uses.
  void DropFreeLanes();

 private:
  static constexpr int kMaxLanes = 2;
  // A copy of all that the program needs in DRAM. Instructions hold addresses, so every slot has some of its own.
  struct Slot {
    std::unique_ptr<DeviceBuffer> buffer;
    ProgramPlace place;
  };
  // What one batch holds: two slots, so that the host fills one while the accelerator works on the other.
  struct Lane {
    std::vector<Slot> slots;
  };
  // A lane in use. It is free again when the lease goes, if the run went well; else its memory goes, too, or stays with
  // the accelerator as long as that may write to it.
  class Lease;

  absl::StatusOr<Lease> TakeLane(size_t slots, const Check& check);
  absl::StatusOr<std::unique_ptr<Lane>> WaitForLane(bool may_make, const Check& check);
  absl::Status Grow(Lane* lane, size_t slots);
  void EndLane(std::unique_ptr<Lane> lane, bool well);
  absl::StatusOr<Slot> MakeSlot();
  absl::Status Fill(Slot* slot, const SampleInputs& inputs);
  absl::Status Empty(Slot* slot, const SampleOutputs& outputs);
  absl::StatusOr<ProgramCounters> RunThrough(Lane* lane, const Job& job, const Check& check);

  const std::shared_ptr<Accelerator> accelerator_;
  const Program& program_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Lane>> free_;  // with room for all: giving one back must not throw
  int lanes_ = 0;                            // free and in use
};

}  // namespace msq::fpga
