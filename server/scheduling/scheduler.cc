#include "server/scheduling/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <new>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

// How often a lane is looked at again that has something due and nothing to run it on.
constexpr absl::Duration kRetry = absl::Milliseconds(1);

// The timer looks at the clock at least so often: a longer wait may be more than the system's clock can count.
constexpr absl::Duration kLongestWait = absl::Minutes(10);

// Of a lane's time per batch: how much the newest one counts.
constexpr double kEstimateShare = 1.0 / 8;

// Memory that cannot be had is the error of the requests that want it, not the end of the daemon.
absl::Status ExecuteWithinMemory(Instance& instance, const Batch& batch) {
  try {
    return instance.Execute(batch.requests);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory: the request needs more than there is");
  }
}

}  // namespace

// Everything but `order` and what follows it is guarded by the scheduler's lock.
struct Scheduler::LaneState {
  LaneOptions options;
  std::shared_ptr<const void> owner;  // of what the instances use: goes after them
  std::unique_ptr<BatchFormer> former;
  std::vector<std::unique_ptr<Instance>> instances;
  LaneListener* listener = nullptr;

  std::vector<int> free_instances;
  bool closed = false;                                 // nothing more is submitted
  bool active = false;                                 // in active_
  double pass = 0;                                     // virtual time: seconds of the device, by weight
  absl::Duration estimate = absl::InfiniteDuration();  // of one batch
  uint64_t formed = 0;                                 // batches so far

  int busy() const { return static_cast<int>(instances.size() - free_instances.size()); }

  // Batches that wait for earlier ones to be answered, where order is preserved.
  std::mutex order;
  std::map<uint64_t, std::pair<Batch, absl::Status>> computed;
  uint64_t next_answer = 0;
  bool answering = false;

  void Answer(uint64_t serial, Batch batch, const absl::Status& status);
};

// A formed batch and the instance that is to compute it.
struct Scheduler::Work {
  std::shared_ptr<LaneState> lane;
  int instance = 0;
  uint64_t serial = 0;
  Batch batch;
  absl::Time start;
};

// A drop that the listener is to hear of once the lock is given back.
struct Scheduler::Outcome {
  LaneListener* listener;
  DroppedRequest dropped;
};

void Scheduler::LaneState::Answer(uint64_t serial, Batch batch, const absl::Status& status) {
  if (!options.preserve_ordering) return listener->OnBatch(std::move(batch), status);
  std::unique_lock lock(order);
  computed.emplace(serial, std::make_pair(std::move(batch), status));
  if (answering) return;  // that thread sees this batch too
  answering = true;
  for (auto it = computed.begin(); it != computed.end() && it->first == next_answer; it = computed.begin()) {
    auto node = computed.extract(it);
    ++next_answer;
    lock.unlock();
    listener->OnBatch(std::move(node.mapped().first), node.mapped().second);
    lock.lock();
  }
  answering = false;
}

Scheduler::Scheduler(const Options& options, const Clock& clock) : options_(options), clock_(clock) {
  timekeeper_ = std::thread([this] { KeepTime(); });
}

Scheduler::~Scheduler() {
  Stop();
}

void Scheduler::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    work_ready_.notify_all();
    timer_changed_.notify_all();
  }
  if (timekeeper_.joinable()) timekeeper_.join();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

std::unique_ptr<Scheduler::Lane> Scheduler::AddLane(const LaneOptions& options, std::unique_ptr<BatchFormer> former,
                                                    std::vector<std::unique_ptr<Instance>> instances,
                                                    LaneListener* listener, std::shared_ptr<const void> owner) {
  MSQ_CHECK(!instances.empty() && options.weight > 0);
  auto state = std::make_shared<LaneState>();
  state->options = options;
  state->former = std::move(former);
  state->instances = std::move(instances);
  state->listener = listener;
  state->owner = std::move(owner);
  for (size_t i = state->instances.size(); i > 0; --i) state->free_instances.push_back(static_cast<int>(i - 1));
  std::lock_guard lock(mutex_);
  ++lanes_;
  return std::unique_ptr<Lane>(new Lane(this, std::move(state)));
}

void Scheduler::Close(const std::shared_ptr<LaneState>& lane) {
  std::lock_guard lock(mutex_);
  --lanes_;
  lane->closed = true;
  if (lane->former->waiting() == 0) std::erase(active_, lane);  // not for idle sequences' sake
}

void Scheduler::Activate(const std::shared_ptr<LaneState>& lane) {
  if (lane->active) return;
  lane->active = true;
  active_.push_back(lane);
}

void Scheduler::Poke() {
  std::vector<Outcome> outcomes;
  {
    std::lock_guard lock(mutex_);
    Dispatch(clock_.Now(), Take::kNothing, &outcomes);
  }
  Report(std::move(outcomes));
}

absl::Status Scheduler::Submit(const std::shared_ptr<LaneState>& lane, const RequestPtr& request) {
  std::vector<Outcome> outcomes;
  std::optional<Work> work;
  absl::Status status;
  {
    std::lock_guard lock(mutex_);
    const absl::Time now = clock_.Now();
    request->times.queued = now;
    const bool idle = lane->former->waiting() == 0 && lane->busy() == 0;
    if (idle) lane->pass = std::max(lane->pass, virtual_time_);  // idle time is not saved up
    status = lane->former->Add(request, now);
    Activate(lane);
    work = Dispatch(now, Take::kShort, &outcomes);  // a refusal too may have changed what waits
  }
  Report(std::move(outcomes));
  if (work) Run(*std::move(work), Take::kShort);
  return status;
}

void Scheduler::Cancel(const std::shared_ptr<LaneState>& lane, const RequestPtr& request) {
  {
    std::lock_guard lock(mutex_);
    if (!lane->former->Remove(request.get())) return;
  }
  Poke();  // what waited behind it may go now
  lane->listener->OnDrop({request, absl::CancelledError("the request was cancelled while it waited")});
}

void Scheduler::Drain(const std::shared_ptr<LaneState>& lane) {
  {
    std::lock_guard lock(mutex_);
    lane->former->Drain();
  }
  Poke();
}

// The batch that should run now: of the lane furthest behind among those that may run and have one.
std::optional<Scheduler::Work> Scheduler::NextWork(absl::Time now) {
  candidates_.clear();
  for (const auto& lane : active_) {
    if (MayRun(*lane, now)) candidates_.push_back(lane.get());
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const LaneState* a, const LaneState* b) { return a->pass < b->pass; });
  for (LaneState* lane : candidates_) {
    for (size_t i = lane->free_instances.size(); i > 0; --i) {
      const int instance = lane->free_instances[i - 1];
      std::optional<Batch> batch = lane->former->Form(instance, now);
      if (!batch) continue;
      lane->free_instances.erase(lane->free_instances.begin() + static_cast<ptrdiff_t>(i - 1));
      virtual_time_ = std::max(virtual_time_, lane->pass);
      const auto owner = std::find_if(active_.begin(), active_.end(), [&](const auto& l) { return l.get() == lane; });
      under_way_.push_back({lane, now});
      return Work{*owner, instance, lane->formed++, *std::move(batch), now};
    }
  }
  return std::nullopt;
}

bool Scheduler::MayRun(const LaneState& lane, absl::Time now) const {
  if (lane.free_instances.empty()) return false;
  if (static_cast<int>(under_way_.size()) < options_.slots) return true;
  if (lane.busy() > 0) return false;
  return std::any_of(under_way_.begin(), under_way_.end(), [&](const UnderWay& other) {
    const double reached = other.lane->pass + absl::ToDoubleSeconds(now - other.start) / other.lane->options.weight;
    return reached - lane.pass > absl::ToDoubleSeconds(options_.patience);
  });
}

void Scheduler::TakeExpired(absl::Time now, std::vector<Outcome>* outcomes) {
  for (const auto& lane : active_) {
    dropped_.clear();
    lane->former->TakeExpired(now, &dropped_);
    for (DroppedRequest& dropped : dropped_) outcomes->push_back({lane->listener, std::move(dropped)});
  }
}

// Forms what can be formed and leaves it to the workers, but for one batch that the caller takes.
std::optional<Scheduler::Work> Scheduler::Dispatch(absl::Time now, Take take, std::vector<Outcome>* outcomes) {
  TakeExpired(now, outcomes);
  std::optional<Work> taken;
  while (std::optional<Work> work = NextWork(now)) {
    const bool fits = take == Take::kAny || (take == Take::kShort && work->lane->estimate < options_.inline_limit);
    if (fits && !taken) {
      taken = std::move(work);
    } else {
      ready_.push_back(*std::move(work));
      work_ready_.notify_one();
    }
  }
  TakeExpired(now, outcomes);  // what forming batches has come upon
  std::erase_if(active_, [](const std::shared_ptr<LaneState>& lane) {
    const bool has_event = !lane->closed && lane->former->NextEvent() < absl::InfiniteFuture();
    lane->active = lane->former->waiting() > 0 || has_event;
    return !lane->active;
  });
  if (static_cast<int>(ready_.size()) > idle_workers_) AddWorkers();
  SetTimer(now);
  return taken;
}

// A thread for each batch that may be under way; those that there are serve where no more can be had.
void Scheduler::AddWorkers() {
  const size_t wanted = workers_.size() + ready_.size() - static_cast<size_t>(idle_workers_);
  while (workers_.size() < std::min(wanted, static_cast<size_t>(options_.slots + lanes_))) {
    try {
      workers_.emplace_back([this] { Serve(); });
    } catch (const std::system_error& error) {
      LogWarning("no thread for another batch: ", error.what());
      timer_ = std::min(timer_, clock_.Now() + kRetry);
      timer_changed_.notify_one();
      return;
    }
  }
}

void Scheduler::SetTimer(absl::Time now) {
  absl::Time next = absl::InfiniteFuture();
  bool waits_for_slot = false;
  for (const auto& lane : active_) {
    const absl::Time event = lane->former->NextEvent();
    next = std::min(next, event > now ? event : now + kRetry);
    // Only a lane of which nothing runs may get a slot beyond those there are.
    waits_for_slot = waits_for_slot || (lane->busy() == 0 && lane->former->waiting() > 0);
  }
  waits_for_slot = waits_for_slot && static_cast<int>(under_way_.size()) >= options_.slots;
  if (waits_for_slot) next = std::min(next, now + options_.patience);
  if (next >= timer_) return;
  timer_ = next;
  timer_changed_.notify_one();
}

// Runs the batch, then others as long as there are some of the kind that the thread takes.
void Scheduler::Run(Work work, Take take) {
  const absl::Time begin = clock_.Now();
  for (;;) {
    const absl::Time start = clock_.Now();
    for (const RequestPtr& request : work.batch.requests) request->times.started = start;
    LaneState& lane = *work.lane;
    lane.listener->OnStart(work.batch);
    Instance& instance = *lane.instances[static_cast<size_t>(work.instance)];
    const absl::Status status = ExecuteWithinMemory(instance, work.batch);
    lane.listener->OnComputed(instance.LastRun());
    std::vector<Outcome> outcomes;
    std::optional<Work> next;
    {
      std::lock_guard lock(mutex_);
      const absl::Time now = clock_.Now();
      Finish(work, start, now, status);
      const bool tired = take == Take::kShort && now - begin > options_.inline_limit;
      next = Dispatch(now, tired ? Take::kNothing : take, &outcomes);
    }
    // After the lock: the last answer may take the model, and so the lane's handle, with it.
    lane.Answer(work.serial, std::move(work.batch), status);
    Report(std::move(outcomes));
    if (!next) return;
    work = *std::move(next);
  }
}

void Scheduler::Finish(const Work& work, absl::Time start, absl::Time now, const absl::Status& status) {
  LaneState& lane = *work.lane;
  lane.former->Finish(work.batch, now, status);
  lane.free_instances.push_back(work.instance);
  const absl::Duration took = std::max(now - start, absl::ZeroDuration());  // the clock may have been set back
  lane.pass += absl::ToDoubleSeconds(took) / lane.options.weight;
  lane.estimate =
      lane.estimate == absl::InfiniteDuration() ? took : lane.estimate + (took - lane.estimate) * kEstimateShare;
  const auto it = std::find_if(under_way_.begin(), under_way_.end(),
                               [&](const UnderWay& one) { return one.lane == &lane && one.start == work.start; });
  under_way_.erase(it);
  Activate(work.lane);  // the former may have an event now, as of a sequence that is idle from here on
}

void Scheduler::Report(std::vector<Outcome> outcomes) {
  for (Outcome& outcome : outcomes) outcome.listener->OnDrop(std::move(outcome.dropped));
}

void Scheduler::Serve() {
  pthread_setname_np(pthread_self(), "msqd-compute");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_workers_;
    work_ready_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    --idle_workers_;
    if (ready_.empty()) return;
    Work work = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    Run(std::move(work), Take::kAny);
    lock.lock();
  }
}

void Scheduler::KeepTime() {
  pthread_setname_np(pthread_self(), "msqd-timer");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const absl::Time now = clock_.Now();
    if (timer_ == absl::InfiniteFuture()) {
      timer_changed_.wait(lock);
    } else if (now < timer_) {
      timer_changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(timer_ - now, kLongestWait)));
    } else {
      timer_ = absl::InfiniteFuture();
      std::vector<Outcome> outcomes;
      Dispatch(now, Take::kNothing, &outcomes);
      lock.unlock();
      Report(std::move(outcomes));
      lock.lock();
    }
  }
}

Scheduler::Lane::Lane(Scheduler* scheduler, std::shared_ptr<LaneState> state)
    : scheduler_(scheduler), state_(std::move(state)) {}
Scheduler::Lane::~Lane() {
  scheduler_->Close(state_);
}
absl::Status Scheduler::Lane::Submit(const RequestPtr& request) {
  return scheduler_->Submit(state_, request);
}
void Scheduler::Lane::Cancel(const RequestPtr& request) {
  scheduler_->Cancel(state_, request);
}
void Scheduler::Lane::Drain() {
  scheduler_->Drain(state_);
}
int64_t Scheduler::Lane::waiting() const {
  std::lock_guard lock(scheduler_->mutex_);
  return state_->former->waiting();
}

}  // namespace msq::server
