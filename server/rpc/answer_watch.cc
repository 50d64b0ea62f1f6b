#include "server/rpc/answer_watch.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace msq::server {

struct AnswerWatch::Entry {
  const Clock::time_point since = Clock::now();
  std::recursive_mutex mutex;  // a call that is cancelled may end, and say so, before `cancel` returns
  std::function<void()> cancel;
  bool sent = false;
  bool listed = true;  // under the watch's mutex
};

AnswerWatch::AnswerWatch(std::chrono::milliseconds limit) : limit_(limit), thread_([this] { Run(); }) {}

AnswerWatch::~AnswerWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  thread_.join();
}

void AnswerWatch::Answer::Sending(AnswerWatch* watch, std::function<void()> cancel) {
  watch_ = watch;
  entry_ = std::make_shared<Entry>();
  entry_->cancel = std::move(cancel);
  std::lock_guard lock(watch->mutex_);
  place_ = watch->entries_.insert(watch->entries_.end(), entry_);
}

void AnswerWatch::Answer::Sent() {
  const std::shared_ptr<Entry> entry = std::move(entry_);
  if (entry == nullptr) return;
  {
    std::lock_guard lock(watch_->mutex_);
    if (entry->listed) watch_->entries_.erase(place_);
  }
  std::lock_guard lock(entry->mutex);
  entry->sent = true;
}

std::list<std::shared_ptr<AnswerWatch::Entry>> AnswerWatch::TakeExpired() {
  const Clock::time_point begun = Clock::now() - limit_;
  const auto end =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->since > begun; });
  std::list<std::shared_ptr<Entry>> expired;
  expired.splice(expired.end(), entries_, entries_.begin(), end);
  for (const auto& entry : expired) entry->listed = false;
  return expired;
}

void AnswerWatch::Run() {
  using std::chrono::milliseconds;
  const milliseconds pause = std::clamp(limit_ / 4, milliseconds(1), milliseconds(1000));
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, pause, [this] { return stopping_; })) {
    const std::list<std::shared_ptr<Entry>> expired = TakeExpired();
    lock.unlock();
    int cancelled = 0;
    for (const auto& entry : expired) {
      std::lock_guard call_lock(entry->mutex);
      if (entry->sent) continue;
      entry->cancel();
      ++cancelled;
    }
    if (cancelled > 0) {
      LogWarning(cancelled, " gRPC calls cancelled: their clients have not read the answer after ", limit_.count(),
                 " ms");
    }
    lock.lock();
  }
}

}  // namespace msq::server
