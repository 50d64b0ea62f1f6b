// The accelerators of one backend and their health: which serve, which are quarantined and looked at again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/backend.h"
#include "backends/fpga/accelerator.h"
#include "backends/fpga/device_program.h"

namespace msq::fpga {

// Thread-safe.
class DevicePool {
 public:
  struct Member {
    std::string name;  // for logs and metrics, before it is opened, too
    // Opens the device and proves that it works: what it returns is put into service.
    // It is to give up waiting once `stopping` is true.
    std::function<absl::StatusOr<std::shared_ptr<Accelerator>>(const std::atomic<bool>& stopping)> open;
    std::optional<EmulatedPart> emulates = {};  // for its report
  };

  // One run on one accelerator, from the choice of the accelerator to the answer.
  class Use {
   public:
    Use(Use&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          index_(other.index_),
          accelerator_(std::move(other.accelerator_)) {}
    Use& operator=(Use&&) = delete;
    ~Use();
    const std::shared_ptr<Accelerator>& accelerator() const { return accelerator_; }
    size_t device() const { return index_; }

   private:
    friend class DevicePool;
    Use(DevicePool* pool, size_t index, std::shared_ptr<Accelerator> accelerator)
        : pool_(pool), index_(index), accelerator_(std::move(accelerator)) {}
    DevicePool* pool_;
    size_t index_;
    std::shared_ptr<Accelerator> accelerator_;
  };

  // Opens all members. One that cannot be opened is quarantined from the start, if at least one can: else its error.
  static absl::StatusOr<std::unique_ptr<DevicePool>> Create(std::vector<Member> members, absl::Duration probe_interval);
  ~DevicePool();

  // The accelerator with the fewest runs under way. UNAVAILABLE when all are quarantined, with the reasons.
  absl::StatusOr<Use> Take();

  // Whether Take can succeed.
  bool ready() const;

  // Takes the accelerator of this use out of service until a probe, every probe_interval, has opened it again. Does
  // nothing if that has happened since.
  void Quarantine(const Use& use, const absl::Status& why) { Quarantine(use.index_, use.accelerator_->id(), why); }
  void Quarantine(size_t device, uint64_t accelerator, const absl::Status& why);

  // The program on the accelerator of this use; put there when it is first asked for. Accelerators keep their programs
  // until they are quarantined, or until the program is forgotten, which it must be before it goes.
  std::shared_ptr<DeviceProgram> ProgramOn(const Use& use, const Program& program);
  void Forget(const Program& program);
  // Gives back the device's memory that other programs hold without need. What another thread is giving back meanwhile is
  // given back when this returns.
  void MakeRoom(const Use& use, const Program& program);

  // A run that ended well. What its programs did the accelerators tell, as they end.
  void CountRun(size_t device, absl::Duration busy);
  std::vector<DeviceReport> Reports() const;
  std::vector<DevicePower> ReadPower() const;

 private:
  struct Entry {
    Member member;
    std::shared_ptr<Accelerator> accelerator;  // null: quarantined
    std::map<const Program*, std::shared_ptr<DeviceProgram>> programs;
    absl::Status why;  // it is
    // The one before, while a program of it may still write to its memory.
    std::shared_ptr<Accelerator> retired;
    int looks = 0;  // at that
    int under_way = 0;
    std::shared_ptr<ProgramRecord> record = std::make_shared<ProgramRecord>();
    DeviceReport report;  // but for what programs did
  };

  DevicePool(std::vector<Member> members, absl::Duration probe_interval);
  void Probe();
  void Reopen(size_t index);
  bool MayReopen(Entry* entry);
  absl::Status WhyNone() const;
  static DeviceReport ReportOf(const Entry& entry);
  absl::StatusOr<std::shared_ptr<Accelerator>> Open(const Entry& entry);
  void Put(Entry* entry, absl::StatusOr<std::shared_ptr<Accelerator>> opened);
  std::vector<std::shared_ptr<Accelerator>> Accelerators() const;  // null for those in quarantine

  const absl::Duration probe_interval_;
  std::mutex room_mutex_;  // held while room is made; before mutex_
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;
  std::vector<Entry> entries_;  // their number never changes
  std::thread prober_;
};

}  // namespace msq::fpga
