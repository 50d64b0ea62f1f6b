// The scheduler with puppets for instances and a clock that stands still: which batch runs when, and where.
#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <deque>
#include <new>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduling/dynamic_batcher.h"
#include "server/scheduling/sequence_batcher.h"
#include "server/testing/make_request.h"
#include "server/testing/puppet_instance.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using testing::ManualClock;
using testing::PuppetInstance;
using testing::PuppetStrings;
using testing::RecordingListener;
using testing::RequestFields;
using ::testing::UnorderedElementsAre;

class SchedulerTest : public ::testing::Test {
 protected:
  void Start(int slots) {
    Scheduler::Options options;
    options.slots = slots;
    scheduler_ = std::make_unique<Scheduler>(options, clock_);
  }

  std::unique_ptr<Scheduler::Lane> AddLane(PuppetStrings* strings, RecordingListener* listener,
                                           DynamicBatcher::Options batching = {}, int count = 1, double weight = 1,
                                           bool ordered = false) {
    std::vector<std::unique_ptr<Instance>> instances;
    for (int i = 0; i < count; ++i) instances.push_back(std::make_unique<PuppetInstance>(strings));
    return scheduler_->AddLane({weight, ordered}, std::make_unique<DynamicBatcher>(std::move(batching)),
                               std::move(instances), listener);
  }

  RequestPtr Named(const std::string& id, const RequestFields& fields = {}) {
    messages_.emplace_back().set_id(id);
    RequestPtr request = testing::MakeRequest(fields);
    request->message = &messages_.back();
    return request;
  }

  // Moves time and lets the scheduler see it.
  void Pass(absl::Duration time) {
    clock_.Advance(time);
    scheduler_->Poke();
  }

  std::deque<inference::ModelInferRequest> messages_;
  ManualClock clock_;
  PuppetStrings a_, b_;
  RecordingListener told_a_, told_b_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, BatchesFormWhenTheClockSaysSo) {
  Start(1);
  a_.ReleaseAll();
  const auto lane = AddLane(&a_, &told_a_, {.max_batch_size = 4, .max_queue_delay = absl::Milliseconds(10)});
  ASSERT_TRUE(lane->Submit(Named("1")).ok());
  Pass(absl::Milliseconds(9));
  ASSERT_TRUE(lane->Submit(Named("2")).ok());
  EXPECT_EQ(lane->waiting(), 2);
  Pass(absl::Milliseconds(1));
  EXPECT_THAT(told_a_.Await(1), ElementsAre("1+2"));
  for (const char* id : {"3", "4", "5", "6", "7"}) ASSERT_TRUE(lane->Submit(Named(id)).ok());
  EXPECT_THAT(told_a_.Await(2), ElementsAre("1+2", "3+4+5+6"));
  lane->Drain();
  EXPECT_THAT(told_a_.Await(3), ElementsAre("1+2", "3+4+5+6", "7"));
}

TEST_F(SchedulerTest, ShortBatchesRunOnTheSubmittingThread) {
  Start(2);
  a_.ReleaseAll();
  std::thread::id computed_on;
  absl::Duration takes = absl::ZeroDuration();
  a_.OnExecute([&] {
    computed_on = std::this_thread::get_id();
    clock_.Advance(takes);
  });
  const auto lane = AddLane(&a_, &told_a_);
  ASSERT_TRUE(lane->Submit(Named("how long is unknown")).ok());
  told_a_.Await(1);
  EXPECT_NE(computed_on, std::this_thread::get_id());
  ASSERT_TRUE(lane->Submit(Named("short")).ok());
  EXPECT_EQ(computed_on, std::this_thread::get_id());
  takes = absl::Seconds(1);
  ASSERT_TRUE(lane->Submit(Named("long")).ok());
  told_a_.Await(3);
  ASSERT_TRUE(lane->Submit(Named("expected to be long")).ok());
  told_a_.Await(4);
  EXPECT_NE(computed_on, std::this_thread::get_id());
}

TEST_F(SchedulerTest, LanesShareTheSlotByWeight) {
  Start(1);
  const auto heavy = AddLane(&a_, &told_a_, {}, 1, 3);
  const auto light = AddLane(&b_, &told_b_, {}, 1, 1);
  std::vector<char> order;  // one slot, so one writer at a time
  a_.OnExecute([&] { order.push_back('a'), clock_.Advance(absl::Milliseconds(1)); });
  b_.OnExecute([&] { order.push_back('b'), clock_.Advance(absl::Milliseconds(1)); });
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(heavy->Submit(Named("x")).ok());
    ASSERT_TRUE(light->Submit(Named("x")).ok());
  }
  a_.ReleaseAll();
  b_.ReleaseAll();
  told_a_.Await(40);
  told_b_.Await(40);
  EXPECT_NEAR(std::count(order.begin(), order.begin() + 40, 'a'), 30, 1);
  EXPECT_NEAR(std::count(order.begin(), order.begin() + 20, 'a'), 15, 1);
}

TEST_F(SchedulerTest, ALaneThatWasIdleDoesNotCatchUp) {
  Start(1);
  a_.ReleaseAll();
  std::vector<char> order;
  a_.OnExecute([&] { order.push_back('a'), clock_.Advance(absl::Milliseconds(1)); });
  b_.OnExecute([&] { order.push_back('b'), clock_.Advance(absl::Milliseconds(1)); });
  const auto busy = AddLane(&a_, &told_a_);
  const auto idle = AddLane(&b_, &told_b_);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(busy->Submit(Named("x")).ok());
  told_a_.Await(100);
  ASSERT_TRUE(idle->Submit(Named("first")).ok());
  b_.AwaitBegun(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(idle->Submit(Named("x")).ok());
    ASSERT_TRUE(busy->Submit(Named("x")).ok());
  }
  b_.ReleaseAll();
  told_a_.Await(110);
  told_b_.Await(11);
  EXPECT_NEAR(std::count(order.begin() + 100, order.begin() + 110, 'a'), 5, 1);
}

TEST_F(SchedulerTest, ASlowModelDoesNotStarveAFastOne) {
  Start(2);
  const auto slow = AddLane(&a_, &told_a_, {}, 2);
  const auto fast = AddLane(&b_, &told_b_);
  b_.ReleaseAll();
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(slow->Submit(Named(id)).ok());
  a_.AwaitBegun(2);
  ASSERT_TRUE(fast->Submit(Named("quick")).ok());
  Pass(absl::Milliseconds(1));
  EXPECT_EQ(fast->waiting(), 1);  // both slots are taken
  Pass(absl::Milliseconds(2));
  EXPECT_THAT(told_b_.Await(1), ElementsAre("quick"));
  EXPECT_EQ(a_.AwaitBegun(2).size(), 2u);  // still held
  a_.ReleaseAll();
  told_a_.Await(3);
}

TEST_F(SchedulerTest, PreservedOrderIsThatOfTheRequests) {
  Start(2);
  const auto lane = AddLane(&a_, &told_a_, {}, 2, 1, true);
  for (const char* id : {"1", "2", "3"}) ASSERT_TRUE(lane->Submit(Named(id)).ok());
  EXPECT_THAT(a_.AwaitBegun(2), UnorderedElementsAre("1", "2"));
  a_.Release("2");
  a_.AwaitBegun(3);  // its instance is free for the next
  a_.Release("3");
  a_.Release("1");
  EXPECT_THAT(told_a_.Await(3), ElementsAre("1", "2", "3"));
}

TEST_F(SchedulerTest, WhatWaitsInVainIsNotComputed) {
  Start(1);
  const auto lane = AddLane(&a_, &told_a_, {.max_queue_size = 2});
  ASSERT_TRUE(lane->Submit(Named("running")).ok());
  a_.AwaitBegun(1);
  const RequestPtr gone = Named("gone");
  ASSERT_TRUE(lane->Submit(gone).ok());
  ASSERT_TRUE(lane->Submit(Named("late", {.deadline = clock_.Now() + absl::Milliseconds(5)})).ok());
  EXPECT_TRUE(absl::IsUnavailable(lane->Submit(Named("too many"))));
  lane->Cancel(gone);
  EXPECT_THAT(told_a_.Await(1), ElementsAre("gone: CANCELLED"));
  ASSERT_TRUE(lane->Submit(Named("in its place")).ok());
  Pass(absl::Milliseconds(5));
  EXPECT_THAT(told_a_.Await(2), ElementsAre("gone: CANCELLED", "late: DEADLINE_EXCEEDED"));
  a_.ReleaseAll();
  told_a_.Await(4);
  EXPECT_THAT(a_.AwaitBegun(2), ElementsAre("running", "in its place"));
}

TEST_F(SchedulerTest, RequestsOutliveTheirLane) {
  Start(1);
  auto lane = AddLane(&a_, &told_a_);
  for (const char* id : {"1", "2"}) ASSERT_TRUE(lane->Submit(Named(id)).ok());
  a_.AwaitBegun(1);
  lane.reset();
  a_.ReleaseAll();
  EXPECT_THAT(told_a_.Await(2), ElementsAre("1", "2"));
}

TEST_F(SchedulerTest, FailuresAreTheBatchs) {
  Start(1);
  a_.ReleaseAll();
  const auto lane = AddLane(&a_, &told_a_);
  a_.FailWith(absl::DataLossError("broken"));
  ASSERT_TRUE(lane->Submit(Named("1")).ok());
  EXPECT_THAT(told_a_.Await(1), ElementsAre("1: DATA_LOSS"));
  a_.OnExecute([] { throw std::bad_alloc(); });
  ASSERT_TRUE(lane->Submit(Named("2")).ok());
  EXPECT_THAT(told_a_.Await(2), ElementsAre("1: DATA_LOSS", "2: RESOURCE_EXHAUSTED"));
  a_.OnExecute(nullptr);
  a_.FailWith(absl::OkStatus());
  ASSERT_TRUE(lane->Submit(Named("3")).ok());
  EXPECT_THAT(told_a_.Await(3), ElementsAre("1: DATA_LOSS", "2: RESOURCE_EXHAUSTED", "3"));
}

// Sequences of one step at a time, of which several live.
class SequenceLaneTest : public SchedulerTest {
 protected:
  std::unique_ptr<Scheduler::Lane> AddSequences(SequenceBatcher::Options options) {
    auto former = std::make_unique<SequenceBatcher>(std::move(options));
    former_ = former.get();
    std::vector<std::unique_ptr<Instance>> instances;
    instances.push_back(std::make_unique<PuppetInstance>(&a_));
    return scheduler_->AddLane({}, std::move(former), std::move(instances), &told_a_);
  }

  RequestPtr Step(const std::string& id, uint64_t sequence, bool start) {
    return Named(id, {.sequence = {sequence, ""}, .start = start});
  }

  const SequenceBatcher* former_ = nullptr;
};

TEST_F(SequenceLaneTest, IdleSequencesEndThoughNothingElseHappens) {
  Start(1);
  a_.ReleaseAll();
  const auto lane = AddSequences({.max_idle = absl::Seconds(1)});
  ASSERT_TRUE(lane->Submit(Step("1", 7, true)).ok());
  told_a_.Await(1);
  EXPECT_EQ(former_->sequences().live, 1);
  Pass(absl::Seconds(2));
  EXPECT_EQ(former_->sequences().live, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(lane->Submit(Step("2", 7, false))));
}

TEST_F(SequenceLaneTest, IdleSequencesSaveUpNoTime) {
  Start(1);
  a_.ReleaseAll();
  std::vector<char> order;
  const auto steps = AddSequences({.slots = 100, .max_idle = absl::Hours(1)});
  const auto other = AddLane(&b_, &told_b_);
  for (uint64_t sequence = 1; sequence <= 2; ++sequence) ASSERT_TRUE(steps->Submit(Step("s", sequence, true)).ok());
  told_a_.Await(2);
  a_.OnExecute([&] { order.push_back('a'), clock_.Advance(absl::Milliseconds(1)); });
  b_.OnExecute([&] { order.push_back('b'), clock_.Advance(absl::Milliseconds(1)); });
  b_.ReleaseAll();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(other->Submit(Named("x")).ok());
  told_b_.Await(50);
  order.clear();
  PuppetStrings gate;
  RecordingListener told_gate;
  const auto gated = AddLane(&gate, &told_gate);
  ASSERT_TRUE(gated->Submit(Named("gate")).ok());
  gate.AwaitBegun(1);
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(steps->Submit(Step("s", 1 + i % 2, false)).ok());
    ASSERT_TRUE(other->Submit(Named("x")).ok());
  }
  gate.ReleaseAll();
  told_a_.Await(12);
  told_b_.Await(60);
  EXPECT_NEAR(std::count(order.begin(), order.begin() + 10, 'a'), 5, 2);
}

TEST_F(SequenceLaneTest, ARefusalThatFreesASlotWakesWhoWaitsForIt) {
  Start(1);
  a_.ReleaseAll();
  const auto lane = AddSequences({.slots = 1, .max_idle = absl::Hours(1), .max_queue_size = 1});
  ASSERT_TRUE(lane->Submit(Step("1", 1, true)).ok());
  told_a_.Await(1);
  ASSERT_TRUE(lane->Submit(Step("2", 2, true)).ok());  // waits for the slot
  EXPECT_TRUE(absl::IsUnavailable(lane->Submit(Step("restart", 1, true))));
  EXPECT_THAT(told_a_.Await(2), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace msq::server
