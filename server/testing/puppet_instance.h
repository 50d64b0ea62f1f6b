// Doubles for tests of scheduling: an instance that computes when the test says so, a clock that the test sets, and a
// listener that remembers.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "server/scheduling/instance.h"
#include "server/scheduling/scheduler.h"

namespace msq::server::testing {

// Thread-safe.
class ManualClock final : public Clock {
 public:
  absl::Time Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
  }

 private:
  mutable std::mutex mutex_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

// The strings by which several puppets are pulled. Thread-safe.
class PuppetStrings {
 public:
  // Every batch waits in Execute until it is released by the id of its first request, or all are.
  void Release(const std::string& id);
  void ReleaseAll();
  // Waits until `count` batches have begun, counted from the start, and tells them: ids of requests joined by "+".
  std::vector<std::string> AwaitBegun(size_t count);
  // What Execute answers from now on.
  void FailWith(absl::Status status);
  // Runs in Execute before it returns, on its thread.
  void OnExecute(std::function<void()> action);

  absl::Status Execute(std::span<const RequestPtr> batch);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  std::vector<std::string> released_;
  bool all_released_ = false;
  absl::Status status_;
  std::function<void()> action_;
};

class PuppetInstance final : public Instance {
 public:
  explicit PuppetInstance(PuppetStrings* strings) : strings_(strings) {}
  absl::Status Execute(std::span<const RequestPtr> batch) override { return strings_->Execute(batch); }

 private:
  PuppetStrings* const strings_;
};

// Remembers what became of requests: "a+b" for a batch, "a: CODE" for a drop or a failed batch. Thread-safe.
class RecordingListener final : public LaneListener {
 public:
  void OnStart(const Batch&) override {}
  void OnBatch(Batch batch, const absl::Status& status) override;
  void OnDrop(DroppedRequest dropped) override;
  // Waits until there are `count` entries and tells all.
  std::vector<std::string> Await(size_t count);

 private:
  void Record(std::string entry);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> entries_;
};

}  // namespace msq::server::testing
