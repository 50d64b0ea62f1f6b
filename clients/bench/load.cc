#include "clients/bench/load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <sys/prctl.h>

#include "base/status.h"
#include "clients/bench/schedule.h"

namespace msq::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;

constexpr double kLateMs = 1;
// For so long after the end what was due before it is still sent: a sender that woke a little late is no sender that
// cannot keep up.
constexpr std::chrono::milliseconds kSendingGrace(100);
// Errors without an answer between them, in number and in time, after which a round ends.
constexpr int64_t kHopelessErrors = 100;
constexpr std::chrono::seconds kHopelessTime(1);

Time After(Time begin, double seconds) {
  return begin + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

double MsBetween(Time begin, Time end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

// One round. Whoever counts holds mutex_; requests are sent without it.
class Round {
 public:
  Round(const LoadOptions& options, const Ask& ask)
      : options_(options),
        ask_(ask),
        begin_(SteadyClock::now()),
        measure_(After(begin_, options.warmup_s)),
        end_(After(measure_, options.duration_s)),
        last_success_(begin_) {}

  LoadResult Run(const LoadHooks& hooks) {
    std::thread sender;
    if (options_.rate_per_s > 0) {
      sender = std::thread([this] { SendOnSchedule(); });
    } else {
      for (int i = 0; i < options_.concurrency; ++i) AskClosed(static_cast<size_t>(i) % options_.inputs);
    }
    WaitUntil(measure_, hooks);
    hooks.begin();
    WaitUntil(end_, hooks);
    hooks.end();
    if (sender.joinable()) sender.join();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return under_way_ == 0; });
    const bool nothing_but_errors = result_.compared == 0 && !result_.errors.empty();
    // Such as those of a server that died shortly before the end.
    const bool ended_in_errors = errors_in_a_row_ >= kHopelessErrors;
    result_.seconds = result_.gave_up || nothing_but_errors || ended_in_errors ? 0 : options_.duration_s;
    if (!ended_in_errors) result_.end_cause = result_.seconds > 0 ? "" : result_.first_error;
    return std::move(result_);
  }

 private:
  void WaitUntil(Time time, const LoadHooks& hooks) {
    std::unique_lock lock(mutex_);
    while (SteadyClock::now() < time && !result_.gave_up) {
      given_up_.wait_until(lock, std::min(time, SteadyClock::now() + std::chrono::milliseconds(100)));
      const int64_t answers = result_.compared;
      lock.unlock();
      hooks.tick(answers);
      lock.lock();
    }
  }

  void AskClosed(size_t input) {
    {
      std::lock_guard lock(mutex_);
      ++under_way_;
    }
    const Time sent = SteadyClock::now();
    ask_(input, [this, input, sent](const Answer& answer) {
      const Time now = SteadyClock::now();
      const bool counts = now >= measure_ && now < end_;
      bool more = false;
      {
        std::lock_guard lock(mutex_);
        Count(answer, now, counts, counts, MsBetween(sent, now));
        more = now < end_ && !result_.gave_up;
      }
      if (more) AskClosed((input + 1) % options_.inputs);
      Done();
    });
  }

  // The open loop's thread. What was due while it was kept from running is sent late and counted from when it was due.
  void SendOnSchedule() {
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);  // wakes within microseconds, not tens of them
    PoissonSchedule schedule(options_.rate_per_s, options_.seed);
    for (size_t i = 0;; ++i) {
      const Time due = After(begin_, schedule.NextSeconds());
      if (due >= end_) return;
      const bool counts = due >= measure_;
      while (SteadyClock::now() < due) {  // in short naps: the round may be given up
        std::this_thread::sleep_until(std::min(due, SteadyClock::now() + std::chrono::milliseconds(200)));
        std::lock_guard lock(mutex_);
        if (result_.gave_up) return;
      }
      const Time now = SteadyClock::now();
      {
        std::lock_guard lock(mutex_);
        if (result_.gave_up) return;
        if (counts) ++result_.due;
        if (now >= end_ + kSendingGrace) continue;
        if (under_way_ >= options_.max_under_way) {
          if (counts) ++result_.beyond_bound;
          continue;
        }
        ++under_way_;
        if (now >= measure_ && now < end_) ++result_.left;
        if (counts) {
          ++result_.sent;
          result_.lags.Add(MsBetween(due, now));
          if (MsBetween(due, now) > kLateMs) ++result_.late;
        }
      }
      ask_(i % options_.inputs, [this, due, counts](const Answer& answer) {
        const Time answered = SteadyClock::now();
        {
          std::lock_guard lock(mutex_);
          Count(answer, answered, answered >= measure_ && answered < end_, counts, MsBetween(due, answered));
        }
        Done();
      });
    }
  }

  // With mutex_ held. Every answer is compared; what was answered, and how late, is counted for the measured time.
  void Count(const Answer& answer, Time now, bool answer_counts, bool latency_counts, double ms) {
    if (!answer.status.ok()) {
      ++result_.errors[absl::StatusCodeToString(answer.status.code())];
      if (result_.first_error.empty()) result_.first_error = std::string(Message(answer.status));
      if (now >= end_) return;  // a call that was left over: all was measured by then
      if (++errors_in_a_row_ == kHopelessErrors) result_.end_cause = std::string(Message(answer.status));
      if (errors_in_a_row_ >= kHopelessErrors && now - last_success_ > kHopelessTime) {
        result_.gave_up = true;
        given_up_.notify_all();
      }
      return;
    }
    errors_in_a_row_ = 0;
    last_success_ = now;
    ++result_.compared;
    if (!answer.right) ++result_.wrong;
    if (answer_counts) ++result_.answers;
    if (latency_counts) result_.latencies.Add(ms);
  }

  void Done() {
    std::lock_guard lock(mutex_);
    if (--under_way_ == 0) idle_.notify_all();
  }

  const LoadOptions& options_;
  const Ask& ask_;
  const Time begin_, measure_, end_;
  std::mutex mutex_;
  std::condition_variable idle_, given_up_;
  LoadResult result_;
  int under_way_ = 0;
  int64_t errors_in_a_row_ = 0;  // within the round
  Time last_success_;
};

}  // namespace

LoadResult GenerateLoad(const LoadOptions& options, const Ask& ask, const LoadHooks& hooks) {
  return Round(options, ask).Run(hooks);
}

}  // namespace msq::bench
