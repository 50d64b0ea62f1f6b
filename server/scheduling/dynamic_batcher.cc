#include "server/scheduling/dynamic_batcher.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/check.h"
#include "base/status.h"
#include "server/protocol/reason.h"

namespace msq::server {

DynamicBatcher::DynamicBatcher(Options options) : options_(std::move(options)), lines_(2 * options_.priorities.size()) {
  MSQ_CHECK(options_.default_priority >= 1 && options_.default_priority <= options_.priorities.size());
  smallest_target_ = options_.max_batch_size;
  preferred_.resize(static_cast<size_t>(std::max<int64_t>(options_.max_batch_size, 0)) + 1);
  for (int64_t size : options_.preferred_batch_sizes) {
    MSQ_CHECK(size >= 1 && size <= options_.max_batch_size);
    preferred_[static_cast<size_t>(size)] = true;
    smallest_target_ = std::min(smallest_target_, size);
    largest_preferred_ = std::max(largest_preferred_, size);
  }
}

bool DynamicBatcher::IsPreferred(int64_t samples) const {
  return samples <= options_.max_batch_size && preferred_[static_cast<size_t>(samples)];
}

absl::Duration DynamicBatcher::QueueTimeout(const QueuePolicy& policy, const InferenceRequest& request) const {
  const absl::Duration none = absl::InfiniteDuration();
  const absl::Duration standard = policy.default_timeout > absl::ZeroDuration() ? policy.default_timeout : none;
  if (!policy.allow_timeout_override || request.timeout <= absl::ZeroDuration()) return standard;
  return std::min(standard, request.timeout);
}

absl::Status DynamicBatcher::Add(RequestPtr request, absl::Time now) {
  const bool known = request->priority >= 1 && request->priority <= options_.priorities.size();
  const size_t priority = known ? static_cast<size_t>(request->priority) : options_.default_priority;
  const QueuePolicy& policy = options_.priorities[priority - 1];
  const size_t line = 2 * (priority - 1);
  const int64_t limit = policy.max_queue_size > 0 ? policy.max_queue_size : options_.max_queue_size;
  if (!request->was_accepted && static_cast<int64_t>(lines_[line].size() + lines_[line + 1].size()) >= limit) {
    return WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull);
  }

  if (spare_.empty()) spare_.emplace_back();
  const auto waiting = spare_.begin();
  lines_[line].splice(lines_[line].end(), spare_, waiting);
  *waiting = Waiting{};
  waiting->request = std::move(request);
  waiting->line = line;
  waiting->number = arrivals_++;
  const InferenceRequest& added = *waiting->request;
  index_.emplace(&added, waiting);
  samples_ += added.samples;

  const absl::Time timeout = (added.was_accepted ? added.times.arrival : now) + QueueTimeout(policy, added);
  SetTimer(waiting, std::min(timeout, added.deadline));
  const bool rejects = policy.timeout_action == QueuePolicy::TimeoutAction::kReject;
  const absl::Time dropped = rejects ? waiting->timer : added.deadline;
  waiting->due = now + options_.max_queue_delay;
  if (now + (dropped - now) / 2 < waiting->due) {
    waiting->due = now + (dropped - now) / 2;
    ListAsDue(waiting);
  }
  return absl::OkStatus();
}

void DynamicBatcher::SetTimer(Line::iterator waiting, absl::Time when) {
  if (waiting->timer != absl::InfiniteFuture()) timers_.erase({waiting->timer, waiting->number});
  waiting->timer = when;
  if (when != absl::InfiniteFuture()) timers_.emplace(Moment(when, waiting->number), waiting);
}

void DynamicBatcher::ListAsDue(Line::iterator waiting) {
  if (!delays() || waiting->listed_as_due) return;
  due_.emplace(waiting->due, waiting->number);
  waiting->listed_as_due = true;
}

RequestPtr DynamicBatcher::Unlink(Line::iterator waiting) {
  SetTimer(waiting, absl::InfiniteFuture());
  if (waiting->listed_as_due) due_.erase({waiting->due, waiting->number});
  index_.erase(waiting->request.get());
  samples_ -= waiting->request->samples;
  RequestPtr request = std::move(waiting->request);
  spare_.splice(spare_.begin(), lines_[waiting->line], waiting);
  return request;
}

bool DynamicBatcher::Remove(const InferenceRequest* request) {
  const auto found = index_.find(request);
  if (found == index_.end()) return false;
  Unlink(found->second);
  return true;
}

void DynamicBatcher::TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) {
  last_look_ = now;
  for (RequestPtr& request : cancelled_) {
    dropped->push_back({std::move(request), absl::CancelledError("the request was cancelled while it waited")});
  }
  cancelled_.clear();
  while (!timers_.empty() && timers_.begin()->first.first <= now) OnTimer(timers_.begin()->second, now, dropped);
}

void DynamicBatcher::OnTimer(Line::iterator waiting, absl::Time now, std::vector<DroppedRequest>* dropped) {
  const absl::Time deadline = waiting->request->deadline;
  if (deadline <= now) {
    dropped->push_back({Unlink(waiting), absl::DeadlineExceededError("the request's deadline passed while it waited")});
  } else if (PolicyOf(*waiting).timeout_action == QueuePolicy::TimeoutAction::kReject) {
    dropped->push_back({Unlink(waiting), WithReason(Unavailable("Request timeout expired"), kQueueTimeout)});
  } else {
    SetTimer(waiting, deadline);
    ListAsDue(waiting);  // the delayed are not in the order of their arrival
    const size_t line = waiting->line + 1;
    lines_[line].splice(lines_[line].end(), lines_[waiting->line], waiting);
    waiting->line = line;
  }
}

// When the waiting requests close a batch for their age. Only asked about while all of them fit into one: otherwise
// their number closes it.
absl::Time DynamicBatcher::Due() const {
  if (index_.empty()) return absl::InfiniteFuture();
  if (draining_ || !delays()) return absl::InfinitePast();
  absl::Time due = due_.empty() ? absl::InfiniteFuture() : due_.begin()->first;
  for (const Line& line : lines_) {
    if (!line.empty()) due = std::min(due, line.front().due);
  }
  return due;
}

// False only if no batch closes; spares most looks a walk along the lines.
bool DynamicBatcher::MayClose(absl::Time now) const {
  return !index_.empty() && (samples_ >= smallest_target_ || Due() <= now);
}

bool DynamicBatcher::SkipCancelled(Line::iterator waiting) {
  if (!waiting->request->cancelled.load(std::memory_order_relaxed)) return false;
  cancelled_.push_back(Unlink(waiting));
  return true;
}

std::optional<DynamicBatcher::Cut> DynamicBatcher::FindCut(absl::Time now) {
  int64_t samples = 0;
  size_t requests = 0;
  size_t preferred = 0;  // requests that make the largest preferred size
  bool full = false;
  for (Line& line : lines_) {
    for (auto next = line.begin(); next != line.end() && !full;) {
      const auto waiting = next++;
      if (SkipCancelled(waiting)) continue;
      const int64_t more = waiting->request->samples;
      full = requests > 0 && samples + more > options_.max_batch_size;
      if (full) break;
      samples += more;
      ++requests;
      if (IsPreferred(samples)) preferred = requests;
      full = samples >= options_.max_batch_size || !batching();
    }
  }
  if (requests == 0) return std::nullopt;
  if (!batching()) return Cut{1, CloseReason::kImmediate};

  const bool due = Due() <= now;
  const bool overdue = due && delays() && !draining_;
  if (preferred > 0 && (preferred == requests || !overdue)) return Cut{preferred, CloseReason::kPreferred};
  if (full) return Cut{requests, CloseReason::kFull};
  if (overdue) return Cut{requests, CloseReason::kDelay};
  if (largest_preferred_ > 0 && samples >= largest_preferred_) return Cut{requests, CloseReason::kFull};
  if (!due) return std::nullopt;
  return Cut{requests, delays() ? CloseReason::kDrain : CloseReason::kImmediate};
}

std::optional<Batch> DynamicBatcher::Form(int, absl::Time now) {
  last_look_ = now;
  if (!MayClose(now)) return std::nullopt;
  const std::optional<Cut> cut = FindCut(now);
  if (!cut) return std::nullopt;
  Batch batch;
  batch.reason = cut->reason;
  batch.requests.reserve(cut->requests);
  for (Line& line : lines_) {
    while (batch.requests.size() < cut->requests && !line.empty()) {
      batch.samples += line.front().request->samples;
      batch.requests.push_back(Unlink(line.begin()));
    }
  }
  return batch;
}

absl::Time DynamicBatcher::NextEvent() const {
  if (!cancelled_.empty()) return absl::InfinitePast();
  const absl::Time timer = timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first.first;
  const absl::Time due = Due();
  return due > last_look_ ? std::min(timer, due) : timer;
}

}  // namespace msq::server
