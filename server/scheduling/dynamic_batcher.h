// Dynamic batching: requests that wait for one model are computed together.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/scheduling/batch_former.h"

namespace msq::server {

// What holds for the requests of one priority.
struct QueuePolicy {
  enum class TimeoutAction : uint8_t {
    kReject,  // UNAVAILABLE, queue_timeout
    kDelay,   // served after all others of its priority
  };
  TimeoutAction timeout_action = TimeoutAction::kReject;
  absl::Duration default_timeout = absl::ZeroDuration();  // 0: none
  // A request's own timeout counts where it is the shorter one, or the only one.
  bool allow_timeout_override = false;
  int64_t max_queue_size = 0;  // requests; 0: DynamicBatcher::Options::max_queue_size
};

// Requests leave in the order of (priority, arrival), whole, in batches that close
//   1. at the largest preferred size that the first requests add up to, once one is reached;
//   2. when the next request does not fit, or the largest preferred size is passed over;
//   3. without a queue delay at once, else when a request is due: it has waited for the queue delay, or for half of the
//      time after which it would be dropped (a deadline or a rejecting timeout shorter than that leaves the other half
//      for computing it).
// Overdue batches take all that fits instead of a preferred size, so that a backlog shrinks as fast as it can.
//
// Not thread-safe. O(log n) for requests with a deadline or timeout, O(1) amortised for all others.
class DynamicBatcher final : public BatchFormer {
 public:
  struct Options {
    int64_t max_batch_size = 0;                       // samples; 0 or 1: each request alone, however large
    std::vector<int64_t> preferred_batch_sizes = {};  // 1..max_batch_size, any order
    absl::Duration max_queue_delay = absl::ZeroDuration();
    std::vector<QueuePolicy> priorities = std::vector<QueuePolicy>(1);  // [0] is priority 1, the most urgent
    size_t default_priority = 1;  // of requests that ask for none or for one beyond the last
    int64_t max_queue_size = 1 << 14;
  };

  explicit DynamicBatcher(Options options);
  DynamicBatcher(const DynamicBatcher&) = delete;
  DynamicBatcher& operator=(const DynamicBatcher&) = delete;

  absl::Status Add(RequestPtr request, absl::Time now) override;
  bool Remove(const InferenceRequest* request) override;
  void TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) override;
  std::optional<Batch> Form(int instance, absl::Time now) override;
  void Finish(const Batch&, absl::Time, const absl::Status&) override {}
  absl::Time NextEvent() const override;
  void Drain() override { draining_ = true; }
  int64_t waiting() const override { return static_cast<int64_t>(index_.size()); }

 private:
  // A time and, to tell its requests apart, their number.
  using Moment = std::pair<absl::Time, uint64_t>;

  struct Waiting {
    RequestPtr request;
    size_t line = 0;
    uint64_t number = 0;  // of arrival
    absl::Time due = absl::InfiniteFuture();
    absl::Time timer = absl::InfiniteFuture();  // its entry in timers_
    bool listed_as_due = false;                 // has an entry in due_
  };
  using Line = std::list<Waiting>;

  // How many of the first requests make a batch, and why.
  struct Cut {
    size_t requests = 0;
    CloseReason reason = CloseReason::kImmediate;
  };

  const QueuePolicy& PolicyOf(const Waiting& waiting) const { return options_.priorities[waiting.line / 2]; }
  bool batching() const { return options_.max_batch_size > 1; }
  bool delays() const { return batching() && options_.max_queue_delay > absl::ZeroDuration(); }
  bool IsPreferred(int64_t samples) const;
  absl::Duration QueueTimeout(const QueuePolicy& policy, const InferenceRequest& request) const;
  void SetTimer(Line::iterator waiting, absl::Time when);
  void ListAsDue(Line::iterator waiting);
  RequestPtr Unlink(Line::iterator waiting);
  void OnTimer(Line::iterator waiting, absl::Time now, std::vector<DroppedRequest>* dropped);
  absl::Time Due() const;
  bool MayClose(absl::Time now) const;
  bool SkipCancelled(Line::iterator waiting);
  std::optional<Cut> FindCut(absl::Time now);

  const Options options_;
  std::vector<bool> preferred_;    // by number of samples
  int64_t smallest_target_ = 0;    // no batch closes for its size below this many samples
  int64_t largest_preferred_ = 0;  // 0: none
  bool draining_ = false;
  absl::Time last_look_ = absl::InfinitePast();

  // Two lines a priority, in the order in which they are served: those in time, then the delayed ones.
  std::vector<Line> lines_;
  Line spare_;  // nodes to use again: the steady state allocates none
  absl::flat_hash_map<const InferenceRequest*, Line::iterator> index_;
  std::map<Moment, Line::iterator> timers_;  // of the requests that have a deadline or a queue timeout
  std::set<Moment> due_;                     // of the requests that may be due before the first one of their line
  std::vector<RequestPtr> cancelled_;        // for TakeExpired
  int64_t samples_ = 0;                      // of all that wait
  uint64_t arrivals_ = 0;
};

}  // namespace msq::server
