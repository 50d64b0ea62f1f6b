// A backend for tests of the daemon: answers with the reference's bits, and can be held or made to fail.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "backends/backend.h"

namespace msq::server::testing {

// What the test decides, shared by a fake backend and its executables. Thread-safe.
class FakeControl {
 public:
  // Runs that begin while held wait until released.
  void Hold();
  void Release();
  // Waits until `count` runs are held.
  void AwaitHeld(int count);
  // Every later run answers this; OK computes again.
  void FailWith(absl::Status status);

  // Every later run takes this long, one after the other, as on a device.
  void Pace(absl::Duration duration);
  // Time that paced runs took.
  absl::Duration busy() const;

  // Whether executables say that they can run. At first they do.
  void SetReady(bool ready) { ready_ = ready; }
  bool ready() const { return ready_; }

  // Every later run finds no memory.
  void RunOutOfMemory();

  absl::Status BeforeRun();
  int runs() const;

 private:
  void UseDevice(absl::Duration duration);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool holding_ = false;
  int held_ = 0;
  int runs_ = 0;
  absl::Duration pace_ = absl::ZeroDuration();
  absl::Duration busy_ = absl::ZeroDuration();
  std::mutex device_;
  std::atomic<bool> ready_ = true;
  bool out_of_memory_ = false;
  absl::Status failure_;
};

// Named as a request would pin it.
std::unique_ptr<Backend> CreateFakeBackend(std::shared_ptr<FakeControl> control, std::string name = "cpu");

}  // namespace msq::server::testing
