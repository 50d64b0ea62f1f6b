#include "server/rpc/answer_watch.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "base/log.h"

namespace msq::server {

AnswerWatch::AnswerWatch(absl::Duration limit) : limit_(limit), thread_([this] { Run(); }) {}

AnswerWatch::~AnswerWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  thread_.join();
}

void AnswerWatch::Answer::Sending(AnswerWatch* watch, grpc::CallbackServerContext* context) {
  std::lock_guard lock(watch->mutex_);
  watch_ = watch;
  context_ = context;
  watched_ = true;
  since_ = absl::Now();
  place_ = watch->answers_.insert(watch->answers_.end(), this);
}

void AnswerWatch::Answer::Sent() {
  if (watch_ == nullptr) return;
  // Though the call may be cancelled already: until that is done its context must stay.
  std::lock_guard lock(watch_->mutex_);
  if (watched_) watch_->answers_.erase(place_);
  watched_ = false;
}

void AnswerWatch::Run() {
  const auto pause = absl::ToChronoMilliseconds(std::clamp(limit_ / 4, absl::Milliseconds(1), absl::Seconds(1)));
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, pause, [this] { return stopping_; })) {
    const absl::Time begun = absl::Now() - limit_;
    while (!answers_.empty() && answers_.front()->since_ <= begun) {
      Answer* answer = answers_.front();
      grpc::CallbackServerContext* context = answer->context_;
      LogVerbose(1, "gRPC ", context->peer(), ": cut off, the answer is not read after ", absl::FormatDuration(limit_));
      answers_.pop_front();
      answer->watched_ = false;
      context->TryCancel();  // with which the call, and the answer, may end
    }
  }
}

}  // namespace msq::server
