// The dynamic batcher under random operations does what a naive model of its contract does.
#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "server/scheduling/dynamic_batcher.h"
#include "server/testing/make_request.h"

namespace msq::server {
namespace {

using testing::AtMs;
using testing::MakeRequest;
using Options = DynamicBatcher::Options;
using TimeoutAction = QueuePolicy::TimeoutAction;

// What the contract says, computed from scratch at every call.
class Oracle {
 public:
  explicit Oracle(const Options& options) : options_(options) {}

  struct Entry {
    RequestPtr request;
    size_t priority;
    absl::Time arrival, timeout;
    int64_t turn;  // among its priority
  };

  bool Add(const RequestPtr& request, absl::Time now) {
    size_t priority = request->priority;
    if (priority == 0 || priority > options_.priorities.size()) priority = options_.default_priority;
    const QueuePolicy& policy = options_.priorities[priority - 1];
    const auto same = std::count_if(entries_.begin(), entries_.end(), [&](auto& e) { return e.priority == priority; });
    if (same >= (policy.max_queue_size > 0 ? policy.max_queue_size : options_.max_queue_size)) return false;
    absl::Duration timeout = policy.default_timeout;
    const bool shorter = timeout == absl::ZeroDuration() || request->timeout < timeout;
    if (policy.allow_timeout_override && request->timeout > absl::ZeroDuration() && shorter) timeout = request->timeout;
    if (timeout == absl::ZeroDuration()) timeout = absl::InfiniteDuration();
    entries_.push_back({request, priority, now, now + timeout, turns_++});
    return true;
  }

  bool Remove(const InferenceRequest* request) {
    return std::erase_if(entries_, [&](const Entry& entry) { return entry.request.get() == request; }) > 0;
  }

  std::vector<std::pair<RequestPtr, absl::StatusCode>> TakeExpired(absl::Time now) {
    std::vector<std::pair<RequestPtr, absl::StatusCode>> dropped;
    for (const RequestPtr& request : cancelled_) dropped.emplace_back(request, absl::StatusCode::kCancelled);
    cancelled_.clear();
    const auto drop = [&](const Entry& entry, absl::StatusCode code) {
      dropped.emplace_back(entry.request, code);
      Remove(entry.request.get());
    };
    for (;;) {  // one event after the other
      auto first = entries_.end();
      for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        if (first == entries_.end() || Timer(*it) < Timer(*first)) first = it;
      }
      if (first == entries_.end() || Timer(*first) > now) break;
      if (first->request->deadline <= now) {
        drop(*first, absl::StatusCode::kDeadlineExceeded);
      } else if (Rejects(*first)) {
        drop(*first, absl::StatusCode::kUnavailable);
      } else {
        first->timeout = absl::InfiniteFuture();
        first->turn = kBehind + turns_++;
      }
    }
    return dropped;
  }

  std::optional<Batch> Form(absl::Time now) {
    if (!Closes(now)) return std::nullopt;
    SkipCancelled();
    std::optional<Batch> batch = Choose(now);
    if (batch) {
      for (const RequestPtr& request : batch->requests) Remove(request.get());
    }
    return batch;
  }

  absl::Time NextEvent(absl::Time now) const {
    if (!cancelled_.empty()) return absl::InfinitePast();
    absl::Time next = absl::InfiniteFuture();
    for (const Entry& entry : entries_) {
      next = std::min(next, Timer(entry));
      if (!delays() || draining) continue;
      if (Due() > now) next = std::min(next, Due());
    }
    return next;
  }

  bool draining = false;

 private:
  static constexpr int64_t kBehind = int64_t{1} << 40;

  bool delays() const { return options_.max_batch_size > 1 && options_.max_queue_delay > absl::ZeroDuration(); }
  bool Rejects(const Entry& entry) const {
    return options_.priorities[entry.priority - 1].timeout_action == TimeoutAction::kReject;
  }
  absl::Time Timer(const Entry& entry) const { return std::min(entry.timeout, entry.request->deadline); }
  absl::Time Due() const {
    absl::Time due = absl::InfiniteFuture();
    for (const Entry& entry : entries_) {
      const absl::Time dropped = Rejects(entry) ? Timer(entry) : entry.request->deadline;
      due = std::min({due, entry.arrival + options_.max_queue_delay, entry.arrival + (dropped - entry.arrival) / 2});
    }
    return due;
  }
  std::vector<Entry> InOrder() const {
    std::vector<Entry> result = entries_;
    std::sort(result.begin(), result.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.priority, a.turn) < std::pair(b.priority, b.turn);
    });
    return result;
  }
  bool Preferred(int64_t samples) const {
    const auto& sizes = options_.preferred_batch_sizes;
    return std::find(sizes.begin(), sizes.end(), samples) != sizes.end();
  }
  // The cancelled requests that stand among those that one batch could take.
  void SkipCancelled() {
    int64_t samples = 0;
    for (const Entry& entry : InOrder()) {
      const int64_t more = entry.request->samples;
      if (entry.request->cancelled) {
        cancelled_.push_back(entry.request);
        Remove(entry.request.get());
        continue;
      }
      if (samples > 0 && samples + more > options_.max_batch_size) return;
      samples += more;
      if (options_.max_batch_size <= 1 || samples >= options_.max_batch_size) return;
    }
  }
  // Would a batch close now for its age, or may it for its size?
  bool Closes(absl::Time now) const {
    if (entries_.empty()) return false;
    if (!delays() || draining || Due() <= now) return true;
    int64_t samples = 0;
    for (const Entry& entry : entries_) samples += entry.request->samples;
    int64_t target = options_.max_batch_size;
    for (int64_t size : options_.preferred_batch_sizes) target = std::min(target, size);
    return samples >= target;
  }

  std::optional<Batch> Choose(absl::Time now) const {
    const std::vector<Entry> order = InOrder();
    if (order.empty()) return std::nullopt;
    const auto prefix = [&](size_t count, CloseReason reason) {
      Batch batch;
      for (size_t i = 0; i < count; ++i) batch.requests.push_back(order[i].request);
      batch.reason = reason;
      return batch;
    };
    if (options_.max_batch_size <= 1) return prefix(1, CloseReason::kImmediate);
    size_t count = 0;
    size_t preferred = 0;
    int64_t samples = 0;
    while (count < order.size() && (count == 0 || samples + order[count].request->samples <= options_.max_batch_size)) {
      samples += order[count++].request->samples;
      if (Preferred(samples)) preferred = count;
    }
    const bool late = delays() && !draining && Due() <= now;
    if (Preferred(samples) || (preferred > 0 && !late)) return prefix(preferred, CloseReason::kPreferred);
    if (count < order.size() || samples >= options_.max_batch_size) return prefix(count, CloseReason::kFull);
    if (late) return prefix(count, CloseReason::kDelay);
    const auto& sizes = options_.preferred_batch_sizes;
    const bool passed = !sizes.empty() && samples > *std::max_element(sizes.begin(), sizes.end());
    if (passed) return prefix(count, CloseReason::kFull);
    if (!delays()) return prefix(count, CloseReason::kImmediate);
    if (draining) return prefix(count, CloseReason::kDrain);
    return std::nullopt;
  }

  const Options options_;
  std::vector<Entry> entries_;
  std::vector<RequestPtr> cancelled_;
  int64_t turns_ = 0;
};

class RandomOperations {
 public:
  explicit RandomOperations(uint32_t seed)
      : random_(seed), options_(RandomOptions()), batcher_(options_), oracle_(options_) {}

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      now_ms_ += Pick(3) == 0 ? Pick(8) : 0;
      switch (Pick(10)) {
        case 0:
          if (!added_.empty()) Remove(added_[Pick(added_.size())]);
          break;
        case 1:
          if (!added_.empty()) added_[Pick(added_.size())]->cancelled = true;
          break;
        case 2:
        case 3:
          Look(false);
          break;
        case 4:
        case 5:
          Look(true);
          break;
        default:
          Add();
      }
      if (step == steps - steps / 8) {
        batcher_.Drain();
        oracle_.draining = true;
      }
    }
    // All that is left comes out, and then nothing is held.
    while (batcher_.waiting() > 0 && !::testing::Test::HasFailure()) Look(true);
    Look(true);
    EXPECT_EQ(batcher_.NextEvent(), absl::InfiniteFuture());
    for (const RequestPtr& request : added_) EXPECT_EQ(request.use_count(), 1);
  }

  // How often each thing happened.
  std::map<CloseReason, int> closed;
  std::map<absl::StatusCode, int> dropped;

 private:
  size_t Pick(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }

  Options RandomOptions() {
    Options options;
    const int64_t sizes[] = {0, 1, 2, 4, 7, 16};
    options.max_batch_size = sizes[Pick(6)];
    options.max_queue_delay = absl::Milliseconds(Pick(2) * Pick(20));
    while (options.max_batch_size > 1 && Pick(2) == 0) {
      options.preferred_batch_sizes.push_back(1 + static_cast<int64_t>(Pick(options.max_batch_size)));
    }
    options.priorities.clear();
    for (size_t levels = 1 + Pick(3), i = 0; i < levels; ++i) {
      options.priorities.push_back({.timeout_action = Pick(2) == 0 ? TimeoutAction::kReject : TimeoutAction::kDelay,
                                    .default_timeout = absl::Milliseconds(Pick(2) * Pick(30)),
                                    .allow_timeout_override = Pick(2) == 0,
                                    .max_queue_size = static_cast<int64_t>(Pick(2) * Pick(10))});
    }
    options.default_priority = 1 + Pick(options.priorities.size());
    options.max_queue_size = 20;
    return options;
  }

  void Add() {
    const RequestPtr request = MakeRequest(
        {.samples = 1 + static_cast<int64_t>(Pick(2) * Pick(5)),
         .priority = Pick(5),
         .timeout = absl::Milliseconds(Pick(2) * Pick(20)),
         .deadline = Pick(3) == 0 ? AtMs(now_ms_ + static_cast<int64_t>(Pick(40))) : absl::InfiniteFuture()});
    EXPECT_EQ(batcher_.Add(request, AtMs(now_ms_)).ok(), oracle_.Add(request, AtMs(now_ms_)));
    added_.push_back(request);
  }

  void Remove(const RequestPtr& request) { EXPECT_EQ(batcher_.Remove(request.get()), oracle_.Remove(request.get())); }

  void Look(bool instance_is_free) {
    const absl::Time now = AtMs(now_ms_);
    std::vector<DroppedRequest> drops;
    batcher_.TakeExpired(now, &drops);
    std::vector<std::pair<RequestPtr, absl::StatusCode>> codes;
    for (const DroppedRequest& drop : drops) {
      codes.emplace_back(drop.request, drop.status.code());
      ++dropped[drop.status.code()];
    }
    EXPECT_EQ(codes, oracle_.TakeExpired(now));
    if (instance_is_free) {
      const auto batch = batcher_.Form(0, now);
      const auto expected = oracle_.Form(now);
      ASSERT_EQ(batch.has_value(), expected.has_value());
      if (batch) {
        EXPECT_EQ(batch->requests, expected->requests);
        EXPECT_EQ(batch->reason, expected->reason);
        ++closed[batch->reason];
      } else {
        now_ms_ += 1;
      }
    }
    EXPECT_EQ(batcher_.NextEvent(), oracle_.NextEvent(now));
  }

  std::mt19937 random_;
  const Options options_;
  DynamicBatcher batcher_;
  Oracle oracle_;
  std::vector<RequestPtr> added_;
  int64_t now_ms_ = 0;
};

TEST(DynamicBatcherRandomTest, DoesWhatTheNaiveModelDoes) {
  std::map<CloseReason, int> closed;
  std::map<absl::StatusCode, int> dropped;
  for (uint32_t seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    RandomOperations operations(seed);
    operations.Run(120);
    for (const auto& [reason, count] : operations.closed) closed[reason] += count;
    for (const auto& [code, count] : operations.dropped) dropped[code] += count;
  }
  EXPECT_EQ(closed.size(), static_cast<size_t>(kCloseReasonCount));
  EXPECT_EQ(dropped.size(), 3u);
  for (const auto& [reason, count] : closed) EXPECT_GT(count, 1000) << static_cast<int>(reason);
  for (const auto& [code, count] : dropped) EXPECT_GT(count, 1000) << code;
}

}  // namespace
}  // namespace msq::server
