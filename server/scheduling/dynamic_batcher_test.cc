// The dynamic batcher in told time: scenarios by hand.
#include "server/scheduling/dynamic_batcher.h"

#include <map>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/status.h"
#include "server/protocol/reason.h"
#include "server/testing/make_request.h"

namespace msq::server {
namespace {

using testing::AtMs;
using testing::MakeRequest;
using testing::RequestFields;
using Options = DynamicBatcher::Options;
using TimeoutAction = QueuePolicy::TimeoutAction;

const char* Name(CloseReason reason) {
  static constexpr const char* kNames[kCloseReasonCount] = {"full", "preferred", "delay", "immediate", "drain"};
  return kNames[static_cast<int>(reason)];
}

// Drives a batcher; requests are named by the order of their arrival, from 0.
class Bench {
 public:
  explicit Bench(Options options) : batcher(std::move(options)) {}

  absl::Status Add(int64_t at_ms, const RequestFields& fields = {}) {
    requests.push_back(MakeRequest(fields));
    names[requests.back().get()] = static_cast<int>(requests.size()) - 1;
    return batcher.Add(requests.back(), AtMs(at_ms));
  }
  void AddMany(int64_t at_ms, int count, const RequestFields& fields = {}) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(Add(at_ms, fields).ok());
  }

  // What a free instance gets: "dropped NAME: message; reason NAMES", empty for nothing.
  std::string Look(int64_t at_ms) {
    std::ostringstream text;
    text << Expire(at_ms);
    if (const auto batch = batcher.Form(0, AtMs(at_ms))) {
      int64_t samples = 0;
      text << Name(batch->reason);
      for (const RequestPtr& request : batch->requests) {
        text << ' ' << names.at(request.get());
        samples += request->samples;
      }
      EXPECT_EQ(batch->samples, samples);
    }
    return text.str();
  }
  std::string Expire(int64_t at_ms) {
    std::ostringstream text;
    std::vector<DroppedRequest> dropped;
    batcher.TakeExpired(AtMs(at_ms), &dropped);
    for (const DroppedRequest& drop : dropped) {
      text << "dropped " << names.at(drop.request.get()) << ": " << Message(drop.status) << "; ";
    }
    return text.str();
  }

  DynamicBatcher batcher;
  std::vector<RequestPtr> requests;
  std::map<const InferenceRequest*, int> names;
};

constexpr absl::Duration kDelay = absl::Milliseconds(10);

TEST(DynamicBatcherTest, WithoutBatchingEachRequestGoesAlone) {
  for (int64_t off : {0, 1}) {
    Bench bench({.max_batch_size = off, .max_queue_delay = kDelay});
    EXPECT_EQ(bench.Look(0), "");
    bench.AddMany(0, 2, {.samples = 5});
    EXPECT_EQ(bench.Look(0), "immediate 0");
    EXPECT_EQ(bench.Look(0), "immediate 1");
    EXPECT_EQ(bench.Look(0), "");
    EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
  }
}

TEST(DynamicBatcherTest, WithoutDelayWhatWaitsGoesAtOnce) {
  Bench bench({.max_batch_size = 4});
  bench.AddMany(0, 1);
  EXPECT_EQ(bench.Look(0), "immediate 0");
  bench.AddMany(1, 3);
  EXPECT_EQ(bench.Look(1), "immediate 1 2 3");
  bench.AddMany(2, 5);
  EXPECT_EQ(bench.Look(2), "full 4 5 6 7");
  EXPECT_EQ(bench.Look(2), "immediate 8");
  EXPECT_EQ(bench.batcher.waiting(), 0);
}

TEST(DynamicBatcherTest, RequestsAreNeverSplit) {
  Bench bench({.max_batch_size = 4});
  bench.AddMany(0, 2, {.samples = 3});
  bench.AddMany(0, 1);
  EXPECT_EQ(bench.Look(0), "full 0");
  EXPECT_EQ(bench.Look(0), "full 1 2");
}

TEST(DynamicBatcherTest, AnOversizedRequestBlocksNothing) {
  Bench bench({.max_batch_size = 4, .preferred_batch_sizes = {2}, .max_queue_delay = kDelay});
  bench.AddMany(0, 1, {.samples = 9});
  bench.AddMany(0, 2);
  EXPECT_EQ(bench.Look(0), "full 0");
  EXPECT_EQ(bench.Look(0), "preferred 1 2");
}

TEST(DynamicBatcherTest, WaitsForCompanyUntilTheDelayOfTheFirstIsOver) {
  Bench bench({.max_batch_size = 4, .max_queue_delay = kDelay});
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
  bench.AddMany(0, 1);
  bench.AddMany(6, 1);
  EXPECT_EQ(bench.Look(9), "");
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(10));
  EXPECT_EQ(bench.Look(10), "delay 0 1");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
  bench.AddMany(11, 4);
  EXPECT_EQ(bench.Look(11), "full 2 3 4 5");
}

TEST(DynamicBatcherTest, WhatCouldGoAlreadyIsNoEvent) {
  Bench bench({.max_batch_size = 4, .max_queue_delay = kDelay});
  bench.AddMany(0, 1);
  EXPECT_EQ(bench.Expire(10), "");  // no instance is free
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
  EXPECT_EQ(bench.Look(12), "delay 0");
}

TEST(DynamicBatcherTest, PreferredSizesGoAtOnce) {
  Bench bench({.max_batch_size = 8, .preferred_batch_sizes = {6, 4}, .max_queue_delay = kDelay});
  bench.AddMany(0, 3);
  EXPECT_EQ(bench.Look(0), "");
  bench.AddMany(1, 2);
  EXPECT_EQ(bench.Look(1), "preferred 0 1 2 3");
  bench.AddMany(1, 6);  // 4 to 10
  EXPECT_EQ(bench.Look(2), "preferred 4 5 6 7 8 9");
  EXPECT_EQ(bench.Look(10), "");
  EXPECT_EQ(bench.Look(11), "delay 10");
}

TEST(DynamicBatcherTest, AnOverdueBatchTakesAllThatFits) {
  Bench bench({.max_batch_size = 8, .preferred_batch_sizes = {4}, .max_queue_delay = kDelay});
  bench.AddMany(0, 9);
  EXPECT_EQ(bench.Look(10), "full 0 1 2 3 4 5 6 7");
  bench.AddMany(11, 5);
  EXPECT_EQ(bench.Look(19), "delay 8 9 10 11 12 13") << "the oldest arrived at 0";
  bench.AddMany(20, 4);
  EXPECT_EQ(bench.Look(40), "preferred 14 15 16 17");
}

TEST(DynamicBatcherTest, PreferredSizesWithoutADelayHoldNothingBack) {
  Bench bench({.max_batch_size = 8, .preferred_batch_sizes = {4}});
  bench.AddMany(0, 7);
  EXPECT_EQ(bench.Look(0), "preferred 0 1 2 3");
  EXPECT_EQ(bench.Look(0), "immediate 4 5 6");
}

TEST(DynamicBatcherTest, PastTheLargestPreferredSizeThereIsNothingToWaitFor) {
  Bench bench({.max_batch_size = 16, .preferred_batch_sizes = {4, 8}, .max_queue_delay = kDelay});
  bench.AddMany(0, 2, {.samples = 3});
  EXPECT_EQ(bench.Look(0), "") << "6 may still become 8";
  bench.AddMany(1, 1, {.samples = 3});
  EXPECT_EQ(bench.Look(1), "full 0 1 2");
}

TEST(DynamicBatcherTest, UrgentRequestsGoFirst) {
  Bench bench({.max_batch_size = 2, .priorities = std::vector<QueuePolicy>(3), .default_priority = 2});
  for (uint64_t priority : {3u, 0u, 1u, 2u, 99u, 1u}) bench.AddMany(0, 1, {.priority = priority});
  EXPECT_EQ(bench.Look(0), "full 2 5");
  EXPECT_EQ(bench.Look(0), "full 1 3");
  EXPECT_EQ(bench.Look(0), "full 4 0");
}

TEST(DynamicBatcherTest, RejectsWhatWaitedTooLong) {
  const QueuePolicy policy = {.default_timeout = absl::Milliseconds(5)};
  Bench bench({.max_batch_size = 2, .priorities = {policy}});
  bench.AddMany(0, 1);
  bench.AddMany(2, 1, {.timeout = absl::Milliseconds(1)});  // no override allowed
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(5));
  EXPECT_EQ(bench.Expire(4), "");
  std::vector<DroppedRequest> dropped;
  bench.batcher.TakeExpired(AtMs(5), &dropped);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].request, bench.requests[0]);
  EXPECT_EQ(dropped[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(dropped[0].status), "Request timeout expired");
  EXPECT_EQ(Reason(dropped[0].status), kQueueTimeout);
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(7));
  EXPECT_EQ(bench.Look(7), "dropped 1: Request timeout expired; ");
}

TEST(DynamicBatcherTest, ARequestMayShortenItsTimeoutWhereAllowed) {
  const QueuePolicy bounded = {.default_timeout = absl::Milliseconds(5), .allow_timeout_override = true};
  const QueuePolicy open = {.allow_timeout_override = true};
  Bench bench({.max_batch_size = 8, .priorities = {bounded, open}});
  bench.AddMany(0, 1, {.priority = 1, .timeout = absl::Milliseconds(3)});
  bench.AddMany(0, 1, {.priority = 1, .timeout = absl::Milliseconds(30)});
  bench.AddMany(0, 1, {.priority = 2, .timeout = absl::Milliseconds(30)});
  bench.AddMany(0, 1, {.priority = 2});
  EXPECT_EQ(bench.Expire(3), "dropped 0: Request timeout expired; ");
  EXPECT_EQ(bench.Expire(5), "dropped 1: Request timeout expired; ");
  EXPECT_EQ(bench.Expire(30), "dropped 2: Request timeout expired; ");
  EXPECT_EQ(bench.Look(1000), "immediate 3");
}

TEST(DynamicBatcherTest, DelayedRequestsFallBehindAndAreServed) {
  const QueuePolicy policy = {.timeout_action = TimeoutAction::kDelay,
                              .default_timeout = absl::Milliseconds(5),
                              .allow_timeout_override = true};
  Bench bench({.max_batch_size = 1, .priorities = {policy, policy}, .default_priority = 1});
  bench.AddMany(0, 1);
  bench.AddMany(1, 1, {.timeout = absl::Milliseconds(1)});
  bench.AddMany(4, 1);
  bench.AddMany(4, 1, {.priority = 2});
  EXPECT_EQ(bench.Expire(5), "");  // 1 is delayed before 0
  bench.AddMany(5, 1);
  for (const char* expected : {"immediate 2", "immediate 4", "immediate 1", "immediate 0", "immediate 3"}) {
    EXPECT_EQ(bench.Look(6), expected);
  }
}

TEST(DynamicBatcherTest, DelayedRequestsStillHaveTheirDeadlineAndTheirTurn) {
  const QueuePolicy policy = {.timeout_action = TimeoutAction::kDelay, .default_timeout = absl::Milliseconds(5)};
  Bench bench({.max_batch_size = 8, .max_queue_delay = kDelay, .priorities = {policy}});
  bench.AddMany(0, 1, {.deadline = AtMs(100)});
  EXPECT_EQ(bench.Look(5), "");
  bench.AddMany(9, 1);
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(10));
  EXPECT_EQ(bench.Expire(14), "");
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(100));
  EXPECT_EQ(bench.Look(100), "dropped 0: the request's deadline passed while it waited; delay 1");
}

TEST(DynamicBatcherTest, DropsExpiredAndCancelledRequests) {
  Bench bench({.max_batch_size = 4});
  bench.AddMany(0, 1, {.deadline = AtMs(3)});
  bench.AddMany(0, 3);
  bench.AddMany(0, 1, {.deadline = AtMs(2)});
  bench.requests[2]->cancelled = true;
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(2));
  std::vector<DroppedRequest> dropped;
  bench.batcher.TakeExpired(AtMs(3), &dropped);
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_EQ(dropped[0].request, bench.requests[4]);
  EXPECT_EQ(dropped[1].request, bench.requests[0]);
  EXPECT_EQ(dropped[1].status, absl::DeadlineExceededError("the request's deadline passed while it waited"));
  EXPECT_EQ(bench.Look(3), "immediate 1 3");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfinitePast());
  dropped.clear();
  bench.batcher.TakeExpired(AtMs(3), &dropped);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].request, bench.requests[2]);
  EXPECT_EQ(dropped[0].status, absl::CancelledError("the request was cancelled while it waited"));
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
}

TEST(DynamicBatcherTest, CancelledRequestsDoNotShrinkABatch) {
  Bench bench({.max_batch_size = 2});
  bench.AddMany(0, 4);
  bench.requests[0]->cancelled = true;
  bench.requests[2]->cancelled = true;
  EXPECT_EQ(bench.Look(0), "full 1 3");
  const std::string cancelled = ": the request was cancelled while it waited; ";
  EXPECT_EQ(bench.Look(0), "dropped 0" + cancelled + "dropped 2" + cancelled);
}

TEST(DynamicBatcherTest, WaitsForCompanyAtMostHalfOfTheTimeToTheDeadline) {
  Bench bench({.max_batch_size = 4, .max_queue_delay = kDelay});
  bench.AddMany(0, 1);
  bench.AddMany(2, 1, {.deadline = AtMs(8)});
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(5));
  EXPECT_EQ(bench.Look(4), "");
  EXPECT_EQ(bench.Look(5), "delay 0 1");
  // Gone with its request.
  bench.AddMany(10, 1);
  bench.AddMany(10, 1, {.deadline = AtMs(14)});
  EXPECT_TRUE(bench.batcher.Remove(bench.requests[3].get()));
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(20));
}

TEST(DynamicBatcherTest, TheQueueIsBounded) {
  const QueuePolicy own = {.max_queue_size = 1};
  Bench bench({.max_batch_size = 4, .priorities = {own, {}}, .default_priority = 2, .max_queue_size = 2});
  bench.AddMany(0, 2);
  const absl::Status status = bench.Add(0);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "Exceeds maximum queue size");
  EXPECT_EQ(Reason(status), kQueueFull);
  EXPECT_TRUE(bench.Add(0, {.priority = 1}).ok());
  EXPECT_FALSE(bench.Add(0, {.priority = 1}).ok());
  EXPECT_EQ(bench.batcher.waiting(), 3);
  EXPECT_EQ(bench.Look(0), "immediate 3 0 1");
  EXPECT_TRUE(bench.Add(0).ok());
}

// One that another backend had accepted, and could not compute.
TEST(DynamicBatcherTest, WhatWasAcceptedIsNotRefusedAndHasWaitedSinceItsArrival) {
  Bench bench({.max_batch_size = 4, .priorities = {{.default_timeout = absl::Milliseconds(50)}}, .max_queue_size = 1});
  bench.AddMany(100, 1);
  const RequestPtr request = MakeRequest();
  request->was_accepted = true;
  request->times.arrival = AtMs(70);
  bench.names[request.get()] = 7;
  ASSERT_TRUE(bench.batcher.Add(request, AtMs(100)).ok());
  EXPECT_EQ(bench.batcher.waiting(), 2);
  EXPECT_NE(bench.Expire(121).find("dropped 7: "), std::string::npos);
  EXPECT_EQ(bench.batcher.waiting(), 1);
}

TEST(DynamicBatcherTest, RemoveTakesOnlyWhatWaits) {
  Bench bench({.max_batch_size = 4, .max_queue_delay = kDelay});
  bench.AddMany(0, 2, {.deadline = AtMs(50)});
  EXPECT_TRUE(bench.batcher.Remove(bench.requests[0].get()));
  EXPECT_FALSE(bench.batcher.Remove(bench.requests[0].get()));
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(10));
  EXPECT_EQ(bench.Look(10), "delay 1");
  EXPECT_FALSE(bench.batcher.Remove(bench.requests[1].get()));
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
}

TEST(DynamicBatcherTest, DrainingHoldsNothingBack) {
  Bench bench({.max_batch_size = 4, .max_queue_delay = kDelay});
  bench.AddMany(0, 5);
  bench.batcher.Drain();
  EXPECT_EQ(bench.Look(0), "full 0 1 2 3");
  EXPECT_EQ(bench.Look(0), "drain 4");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
}

TEST(DynamicBatcherTest, HoldsNoRequestThatLeft) {
  Bench bench({.max_batch_size = 2});
  bench.AddMany(0, 3, {.deadline = AtMs(2)});
  EXPECT_TRUE(bench.batcher.Remove(bench.requests[1].get()));
  bench.Look(0);
  for (const RequestPtr& request : bench.requests) EXPECT_EQ(request.use_count(), 1);
}

}  // namespace
}  // namespace msq::server
