// Decides which model's batch runs next on one kind of device, and runs it.
//
// Every model has a lane: its queue (a BatchFormer) and its instances. Lanes share the device's slots by weighted fair
// queueing: each lane's virtual time advances by the time that its batches took, divided by its weight, and the lane
// that is furthest behind goes first. A batch cannot be interrupted, so a lane that is kept waiting by others' long
// batches until it is owed more than `patience` gets a slot beyond those there are, and the operating system shares the
// processor: no slow model starves a fast one.
//
// Short batches run on the thread that submits their last request: waking another thread would cost more than they do.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "server/scheduling/batch_former.h"
#include "server/scheduling/instance.h"

namespace msq::server {

// Hears what becomes of a lane's requests, on any thread and several at once, never under the scheduler's lock.
class LaneListener {
 public:
  virtual ~LaneListener() = default;
  // The batch is about to be computed: its requests wait no more.
  virtual void OnStart(const Batch& batch) = 0;
  // It has been, well or not: the instance is free again. Comes after OnStart and before OnBatch.
  virtual void OnComputed(const RunStatistics& /*statistics*/) {}
  // The batch was computed, or failed as `status` says. Answers its requests.
  virtual void OnBatch(Batch batch, const absl::Status& status) = 0;
  virtual void OnDrop(DroppedRequest dropped) = 0;
};

// Thread-safe. Must outlive its lanes.
class Scheduler {
 public:
  struct Options {
    int slots = 2;  // batches that run at a time
    absl::Duration patience = absl::Milliseconds(2);
    absl::Duration inline_limit = absl::Microseconds(200);  // a batch expected to take less is short
  };
  struct LaneOptions {
    double weight = 1;               // share of the device beside other lanes; positive
    bool preserve_ordering = false;  // answers leave in the order in which batches were formed
  };

  class Lane;

  explicit Scheduler(const Options& options, const Clock& clock = Clock::Real());
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // The listener must outlive every request of the lane; the lane itself must outlive only the calls of its methods.
  // `owner` is kept for as long as the instances are.
  std::unique_ptr<Lane> AddLane(const LaneOptions& options, std::unique_ptr<BatchFormer> former,
                                std::vector<std::unique_ptr<Instance>> instances, LaneListener* listener,
                                std::shared_ptr<const void> owner = nullptr);

  // Ends the threads, which then hold nothing any more. Precondition: no request is under way. Later calls do nothing.
  void Stop();

  // Looks at the clock again: a test has moved it.
  void Poke();

 private:
  struct LaneState;
  struct Work;
  struct Outcome;
  struct UnderWay {
    const LaneState* lane;
    absl::Time start;
  };
  // Which batches a thread takes for itself.
  enum class Take : uint8_t { kNothing, kShort, kAny };

  absl::Status Submit(const std::shared_ptr<LaneState>& lane, const RequestPtr& request);
  void Cancel(const std::shared_ptr<LaneState>& lane, const RequestPtr& request);
  void Drain(const std::shared_ptr<LaneState>& lane);
  void Close(const std::shared_ptr<LaneState>& lane);
  void Run(Work work, Take take);
  static void Report(std::vector<Outcome> outcomes);
  void Serve();     // a worker's life
  void KeepTime();  // the timer's

  // With the lock held.
  std::optional<Work> Dispatch(absl::Time now, Take take, std::vector<Outcome>* outcomes);
  void Activate(const std::shared_ptr<LaneState>& lane);
  void TakeExpired(absl::Time now, std::vector<Outcome>* outcomes);
  std::optional<Work> NextWork(absl::Time now);
  bool MayRun(const LaneState& lane, absl::Time now) const;
  void Finish(const Work& work, absl::Time start, absl::Time now, const absl::Status& status);
  void AddWorkers();
  void SetTimer(absl::Time now);

  const Options options_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows, and the lanes' states
  std::condition_variable work_ready_;
  std::condition_variable timer_changed_;
  std::vector<std::shared_ptr<LaneState>> active_;  // lanes that may have something to do
  std::vector<UnderWay> under_way_;                 // batches that run or are about to
  std::deque<Work> ready_;                          // formed batches that wait for a worker
  std::vector<LaneState*> candidates_;              // NextWork's and TakeExpired's working memory
  std::vector<DroppedRequest> dropped_;
  double virtual_time_ = 0;                    // of the last lane that was served
  absl::Time timer_ = absl::InfiniteFuture();  // when the timer wakes
  int idle_workers_ = 0;
  int lanes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
  std::thread timekeeper_;
};

// One model's queue and instances. Requests that it accepted are answered though the lane is gone.
class Scheduler::Lane {
 public:
  ~Lane();

  // Takes the request, which the listener will hear of, or says why not. May run batches before it returns.
  absl::Status Submit(const RequestPtr& request);

  // Drops the request (CANCELLED) if it waits. One that is being computed goes on.
  void Cancel(const RequestPtr& request);

  // From now on batches are closed without delay.
  void Drain();

  int64_t waiting() const;

 private:
  friend class Scheduler;
  Lane(Scheduler* scheduler, std::shared_ptr<LaneState> state);

  Scheduler* const scheduler_;
  const std::shared_ptr<LaneState> state_;
};

}  // namespace msq::server
