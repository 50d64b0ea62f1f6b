// The two loops against servers that exist only here: one that answers after a while, one that stalls, one that refuses.
#include "clients/bench/load.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "clients/bench/schedule.h"

namespace msq::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// One worker that takes `service` for each request, in order, and does nothing while it is stalled.
class SlowServer {
 public:
  explicit SlowServer(milliseconds service) : service_(service), worker_([this] { Work(); }) {}
  ~SlowServer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    worker_.join();
  }

  void StallFromFor(milliseconds begin, milliseconds length) {
    std::lock_guard lock(mutex_);
    stall_begin_ = SteadyClock::now() + begin;
    stall_end_ = stall_begin_ + length;
  }

  bench::Ask Ask() {
    return [this](size_t, std::function<void(const Answer&)> done) {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(done));
      most_under_way_ = std::max(most_under_way_, queue_.size());
      wake_.notify_all();
    };
  }

  size_t most_under_way() const { return most_under_way_; }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const auto now = SteadyClock::now();
      const auto until = now >= stall_begin_ && now < stall_end_ ? stall_end_ : now + service_;
      lock.unlock();
      std::this_thread::sleep_until(until);
      lock.lock();
      auto done = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      done({absl::OkStatus(), true});
      lock.lock();
    }
  }

  const milliseconds service_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  SteadyClock::time_point stall_begin_, stall_end_;
  std::deque<std::function<void(const Answer&)>> queue_;
  size_t most_under_way_ = 0;
  std::thread worker_;
};

TEST(PoissonScheduleTest, HasItsRateAndThePoissonSpread) {
  PoissonSchedule schedule(1000, 3);
  constexpr int kCount = 20000;
  double before = 0, sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double now = schedule.NextSeconds();
    ASSERT_GE(now, before);
    sum += now - before;
    squares += (now - before) * (now - before);
    before = now;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1e-3, 3e-5);
  // The gaps of a Poisson process spread as far as their mean.
  EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean), mean, mean * 0.05);
}

TEST(PoissonScheduleTest, IsTheSameForTheSameSeed) {
  PoissonSchedule one(50, 9), same(50, 9), other(50, 10);
  const double first = one.NextSeconds();
  EXPECT_EQ(first, same.NextSeconds());
  EXPECT_NE(first, other.NextSeconds());
}

TEST(ClosedLoopTest, KeepsItsRequestsUnderWay) {
  SlowServer server(milliseconds(2));
  int begun = 0, ended = 0;
  LoadHooks hooks;
  hooks.begin = [&] { ++begun; };
  hooks.end = [&] { ++ended; };
  const LoadResult result = GenerateLoad({.concurrency = 4, .warmup_s = 0.05, .duration_s = 0.5}, server.Ask(), hooks);
  EXPECT_EQ(server.most_under_way(), 4u);
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(ended, 1);
  EXPECT_GT(result.answers, 10);
  EXPECT_EQ(result.answers, result.latencies.count());
  EXPECT_GE(result.compared, result.answers + 4);  // the warm-up's and the last ones
  // Each waits for the three before it.
  EXPECT_GE(result.latencies.QuantileMs(0.5).value(), 7.9);
  EXPECT_EQ(result.seconds, 0.5);
  EXPECT_TRUE(result.errors.empty());
}

TEST(OpenLoopTest, SendsWhatIsDueAndNoMore) {
  SlowServer server(milliseconds(0));
  const LoadResult result =
      GenerateLoad({.rate_per_s = 400, .warmup_s = 0.1, .duration_s = 1, .seed = 5}, server.Ask(), LoadHooks());
  // The very requests of the schedule.
  PoissonSchedule schedule(400, 5);
  int64_t due = 0;
  for (double s = schedule.NextSeconds(); s < 1.1; s = schedule.NextSeconds()) due += s >= 0.1 ? 1 : 0;
  EXPECT_EQ(result.due, due);
  EXPECT_GE(result.sent, due - 5);  // all but what a busy machine kept until after the end
  EXPECT_EQ(result.latencies.count(), result.sent);
  EXPECT_EQ(result.lags.count(), result.sent);
}

// A server that stalls for 400 of 1000 ms: a closed loop sees one slow answer, because it asks nothing meanwhile. What
// clients would see who do not wait for each other is the open loop's: some 40 % of all requests have to wait.
TEST(OpenLoopTest, AStallIsFeltByAllThatWereDueInIt) {
  SlowServer closed_server(milliseconds(1));
  closed_server.StallFromFor(milliseconds(300), milliseconds(400));
  const LoadResult closed =
      GenerateLoad({.concurrency = 1, .warmup_s = 0, .duration_s = 1}, closed_server.Ask(), LoadHooks());
  SlowServer open_server(milliseconds(1));
  open_server.StallFromFor(milliseconds(300), milliseconds(400));
  const LoadResult open =
      GenerateLoad({.rate_per_s = 200, .warmup_s = 0, .duration_s = 1}, open_server.Ask(), LoadHooks());
  EXPECT_LT(closed.latencies.QuantileMs(0.9).value(), 100);
  EXPECT_GT(open.latencies.QuantileMs(0.9).value(), 200);
  EXPECT_GT(open.latencies.count(), 150);
}

// A sender that is blocked (here by a server that takes its time to take a request) sends late and counts from when
// requests were due: no omission on this side either.
TEST(OpenLoopTest, ASenderThatIsHeldUpCountsFromWhenRequestsWereDue) {
  const Ask ask = [](size_t, const std::function<void(const Answer&)>& done) {
    std::this_thread::sleep_for(milliseconds(20));
    done({absl::OkStatus(), true});
  };
  const LoadResult result = GenerateLoad({.rate_per_s = 200, .warmup_s = 0, .duration_s = 1}, ask, LoadHooks());
  EXPECT_GT(result.due, 150);
  EXPECT_LT(result.sent, 70);  // 50 a second are possible, and 5 more after the end
  EXPECT_GT(result.late, result.sent / 2);
  EXPECT_GT(result.latencies.QuantileMs(0.5).value(), 100);  // though each took only 20
}

TEST(OpenLoopTest, BeyondTheBoundNothingIsSentAndThatIsCounted) {
  SlowServer server(milliseconds(50));
  const LoadResult result = GenerateLoad({.rate_per_s = 500, .max_under_way = 3, .warmup_s = 0, .duration_s = 0.5},
                                         server.Ask(), LoadHooks());
  EXPECT_EQ(server.most_under_way(), 3u);
  EXPECT_LT(result.sent, result.due / 2);
  EXPECT_GE(result.sent + result.beyond_bound, result.due - 5);
}

TEST(LoadTest, WrongAnswersAndErrorsAreCounted) {
  std::atomic<int> number{0};
  const Ask ask = [&](size_t, const std::function<void(const Answer&)>& done) {
    std::this_thread::sleep_for(milliseconds(1));
    const int i = number++;
    if (i % 5 == 3) return done({absl::UnavailableError("queue full"), true});
    done({absl::OkStatus(), i % 5 != 4});
  };
  const LoadResult result = GenerateLoad({.rate_per_s = 200, .warmup_s = 0, .duration_s = 0.5}, ask, LoadHooks());
  EXPECT_EQ(result.compared + result.errors.at("UNAVAILABLE"), number);
  EXPECT_GT(result.wrong, 0);
  EXPECT_EQ(result.first_error, "queue full");
  EXPECT_EQ(result.latencies.count(), result.compared);
  EXPECT_FALSE(result.gave_up);
}

TEST(LoadTest, GivesUpWhereOnlyErrorsCome) {
  const auto begin = SteadyClock::now();
  std::vector<std::thread> threads;
  std::mutex mutex;
  const Ask ask = [&](size_t, std::function<void(const Answer&)> done) {
    std::lock_guard lock(mutex);
    threads.emplace_back([done = std::move(done)] {
      std::this_thread::sleep_for(milliseconds(5));
      done({absl::UnavailableError("connection refused"), true});
    });
  };
  const LoadResult result = GenerateLoad({.concurrency = 2, .warmup_s = 0, .duration_s = 60}, ask, LoadHooks());
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(result.gave_up);
  EXPECT_EQ(result.seconds, 0);  // nothing was measured
  EXPECT_EQ(result.end_cause, "connection refused");
  EXPECT_LT(SteadyClock::now() - begin, std::chrono::seconds(20));
}

TEST(LoadTest, ARoundThatEndsInErrorsMeasuredNothing) {
  for (const bool recovers : {false, true}) {
    const auto begin = SteadyClock::now();
    std::atomic<int> sent{0};
    const Ask ask = [&](size_t, const std::function<void(const Answer&)>& done) {
      std::this_thread::sleep_for(milliseconds(1));
      const bool is_dead = SteadyClock::now() - begin > milliseconds(400) && !(recovers && ++sent > 150);
      done({is_dead ? absl::UnavailableError("connection reset") : absl::OkStatus(), true});
    };
    const LoadResult result = GenerateLoad({.rate_per_s = 500, .warmup_s = 0, .duration_s = 1}, ask, LoadHooks());
    EXPECT_GT(result.answers, 50);
    EXPECT_GE(result.errors.at("UNAVAILABLE"), 150);
    EXPECT_FALSE(result.gave_up);
    EXPECT_EQ(result.seconds, recovers ? 1 : 0);
    EXPECT_EQ(result.end_cause, recovers ? "" : "connection reset");
  }
}

TEST(LoadTest, WhatFailsAfterTheEndDoesNotEndTheRoundEarly) {
  const auto begin = SteadyClock::now();
  std::mutex mutex;
  std::vector<std::function<void(const Answer&)>> left_over;
  std::vector<std::thread> threads;
  const Ask ask = [&](size_t, std::function<void(const Answer&)> done) {
    std::lock_guard lock(mutex);
    if (SteadyClock::now() - begin > milliseconds(250)) return left_over.push_back(std::move(done));
    threads.emplace_back([done = std::move(done)] {
      std::this_thread::sleep_for(milliseconds(20));
      done({absl::OkStatus(), true});
    });
  };
  std::thread deadline([&] {
    std::this_thread::sleep_for(milliseconds(1500));
    std::lock_guard lock(mutex);
    for (const auto& done : left_over) done({absl::DeadlineExceededError("too late"), true});
  });
  const LoadResult result = GenerateLoad({.concurrency = 110, .warmup_s = 0.05, .duration_s = 0.4}, ask, LoadHooks());
  deadline.join();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(result.errors.at("DEADLINE_EXCEEDED"), 110);
  EXPECT_FALSE(result.gave_up);
  EXPECT_EQ(result.seconds, 0.4);
  EXPECT_GT(result.answers, 110);
}

TEST(LoadTest, TicksCountWhatWasAnsweredAndNoErrors) {
  std::atomic<int> number{0};
  const Ask ask = [&](size_t, const std::function<void(const Answer&)>& done) {
    std::this_thread::sleep_for(milliseconds(1));
    done({number++ % 10 == 0 ? absl::OkStatus() : absl::UnavailableError("queue full"), true});
  };
  int64_t told = 0;
  LoadHooks hooks;
  hooks.tick = [&](int64_t answers) { told = answers; };
  const LoadResult result = GenerateLoad({.rate_per_s = 400, .warmup_s = 0, .duration_s = 0.5}, ask, hooks);
  EXPECT_GT(told, 0);
  EXPECT_LE(told, result.compared);
}

}  // namespace
}  // namespace msq::bench
