// The sequence batcher in told time: scenarios by hand.
#include "server/scheduling/sequence_batcher.h"

#include <map>
#include <set>
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
using Options = SequenceBatcher::Options;

constexpr int kStart = 1;
constexpr int kEnd = 2;

// Drives a batcher; a step is named "SEQUENCE.NUMBER", numbered from 0.
class Bench {
 public:
  explicit Bench(Options options) : batcher(std::move(options)) {}

  absl::Status Add(uint64_t sequence, int flags = 0, int64_t at_ms = 0, absl::Time deadline = absl::InfiniteFuture()) {
    steps[sequence].push_back(MakeRequest({.deadline = deadline,
                                           .sequence = {.number = sequence, .text = {}},
                                           .start = (flags & kStart) != 0,
                                           .end = (flags & kEnd) != 0}));
    names[steps[sequence].back().get()] = absl::StrCat(sequence, ".", steps[sequence].size() - 1);
    return batcher.Add(steps[sequence].back(), AtMs(at_ms));
  }

  // What a free instance gets: names, by a space each.
  std::string Form(int instance = 0, int64_t at_ms = 0) {
    const auto batch = batcher.Form(instance, AtMs(at_ms));
    if (!batch) return "";
    std::string text;
    for (const RequestPtr& request : batch->requests) text += (text.empty() ? "" : " ") + names.at(request.get());
    under_way[text] = *batch;
    return text;
  }
  void Finish(const std::string& batch, int64_t at_ms = 0, const absl::Status& status = absl::OkStatus()) {
    batcher.Finish(under_way.at(batch), AtMs(at_ms), status);
    under_way.erase(batch);
  }
  // Forms the batch, which must be this one, and finishes it.
  void Compute(const std::string& batch, int instance = 0, int64_t at_ms = 0) {
    ASSERT_EQ(Form(instance, at_ms), batch);
    Finish(batch, at_ms);
  }

  // "NAME CODE" of what is dropped, by a comma each.
  std::string Expire(int64_t at_ms) {
    std::ostringstream text;
    std::vector<DroppedRequest> dropped;
    batcher.TakeExpired(AtMs(at_ms), &dropped);
    for (const DroppedRequest& drop : dropped) {
      text << (text.str().empty() ? "" : ", ") << names.at(drop.request.get()) << ' ' << drop.status.code();
      last_drop = std::string(Message(drop.status));
    }
    return text.str();
  }
  int64_t live() const { return batcher.sequences().live; }
  int64_t backlog() const { return batcher.sequences().backlog; }

  SequenceBatcher batcher;
  std::map<uint64_t, std::vector<RequestPtr>> steps;
  std::map<const InferenceRequest*, std::string> names;
  std::map<std::string, Batch> under_way;
  std::string last_drop;
};

Options Direct(int lanes, int64_t slots) {
  return {.model_name = "m", .lanes = lanes, .slots = slots, .batching = {.max_batch_size = slots}};
}

TEST(SequenceBatcherTest, RefusesWhatIsNoStepOfASequence) {
  Bench bench(Direct(1, 4));
  absl::Status status = bench.batcher.Add(MakeRequest({.start = true}), AtMs(0));
  EXPECT_EQ(status, absl::InvalidArgumentError(
                        "inference request to model 'm' must specify a non-zero or non-empty correlation ID"));
  status =
      bench.batcher.Add(MakeRequest({.samples = 2, .sequence = {.number = 1, .text = {}}, .start = true}), AtMs(0));
  EXPECT_EQ(status, absl::InvalidArgumentError(
                        "inference request to model 'm' must specify batch-size 1: it is a step of one sequence"));
  EXPECT_EQ(bench.Add(7), absl::InvalidArgumentError("inference request for sequence 7 to model 'm' must specify the "
                                                     "START flag on the first request of the sequence"));
  status = bench.batcher.Add(MakeRequest({.sequence = {.number = 0, .text = "dog"}}), AtMs(0));
  EXPECT_EQ(status, absl::InvalidArgumentError("inference request for sequence dog to model 'm' must specify the START "
                                               "flag on the first request of the sequence"));
  EXPECT_EQ(bench.live(), 0);
}

TEST(SequenceBatcherTest, NumbersAndTextsNameDifferentSequences) {
  Bench bench(Direct(1, 4));
  for (const SequenceId& id : {SequenceId{1, ""}, SequenceId{2, ""}, SequenceId{0, "1"}, SequenceId{0, "2"}}) {
    EXPECT_TRUE(bench.batcher.Add(MakeRequest({.sequence = id, .start = true}), AtMs(0)).ok());
  }
  EXPECT_EQ(bench.live(), 4);
  const auto batch = bench.batcher.Form(0, AtMs(0));
  ASSERT_EQ(batch->requests.size(), 4u);
  std::set<SequenceState*> states;
  for (const RequestPtr& request : batch->requests) states.insert(request->state.get());
  EXPECT_EQ(states.size(), 4u);
  EXPECT_EQ(states.count(nullptr), 0u);
}

TEST(SequenceBatcherTest, StepsGoOneAfterTheOther) {
  Bench bench(Direct(1, 4));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  ASSERT_TRUE(bench.Add(2, kStart).ok());
  ASSERT_TRUE(bench.Add(1, kEnd).ok());
  EXPECT_EQ(bench.Form(), "1.0 2.0");
  EXPECT_EQ(bench.Form(), "");
  bench.Finish("1.0 2.0");
  bench.Compute("1.1");
  bench.Compute("1.2");
  EXPECT_EQ(bench.live(), 1);
  EXPECT_FALSE(bench.Add(1).ok());
  EXPECT_TRUE(bench.Add(2).ok());
}

TEST(SequenceBatcherTest, AStepHandsTheStateToTheNext) {
  Bench bench(Direct(1, 4));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1, kEnd).ok());
  EXPECT_EQ(bench.Form(), "1.0");
  const RequestPtr first = bench.steps[1][0];
  ASSERT_NE(first->state, nullptr);
  EXPECT_TRUE(first->state->tensors.empty());
  first->state->tensors.emplace_back(5);
  const std::weak_ptr<SequenceState> state = first->state;
  bench.Finish("1.0");
  EXPECT_EQ(first->state, nullptr) << "one step at a time has it";
  EXPECT_EQ(bench.Form(), "1.1");
  ASSERT_EQ(bench.steps[1][1]->state, state.lock());
  EXPECT_EQ(bench.steps[1][1]->state->tensors[0].size(), 5u);
  bench.Finish("1.1");
  EXPECT_TRUE(state.expired());
}

TEST(SequenceBatcherTest, StartInALiveSequenceRestartsIt) {
  Bench bench(Direct(1, 1));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  EXPECT_EQ(bench.Form(), "1.0");
  bench.steps[1][0]->state->tensors.emplace_back(5);
  bench.Finish("1.0");
  EXPECT_EQ(bench.Form(), "1.1");
  EXPECT_EQ(bench.steps[1][1]->state->tensors.size(), 1u) << "queued before the restart";
  bench.Finish("1.1");
  EXPECT_EQ(bench.Form(), "1.2");
  EXPECT_TRUE(bench.steps[1][2]->state->tensors.empty());
}

TEST(SequenceBatcherTest, DirectSequencesStayOnTheirInstance) {
  Bench bench(Direct(2, 2));
  for (uint64_t id : {1, 2, 3, 4, 5, 6}) ASSERT_TRUE(bench.Add(id, kStart).ok());
  EXPECT_EQ(bench.backlog(), 2);
  bench.Compute("1.0 3.0", 0);
  bench.Compute("2.0 4.0", 1);
  EXPECT_EQ(bench.Form(0), "") << "all slots are taken";
  for (uint64_t id : {4, 3}) ASSERT_TRUE(bench.Add(id, kEnd).ok());
  EXPECT_EQ(bench.Form(0), "3.1");
  EXPECT_EQ(bench.Form(1), "4.1");
  EXPECT_EQ(bench.backlog(), 2) << "END frees the slot after it was computed";
  bench.Finish("4.1");
  EXPECT_EQ(bench.backlog(), 1);
  bench.Finish("3.1");
  bench.Compute("5.0", 1);
  bench.Compute("6.0", 0);
  EXPECT_EQ(bench.backlog(), 0);
}

TEST(SequenceBatcherTest, ASequenceBegunAgainQueuesBehindTheBacklog) {
  Bench bench(Direct(1, 1));
  ASSERT_TRUE(bench.Add(1, kStart | kEnd).ok());
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(2, kStart | kEnd).ok());
  EXPECT_EQ(bench.Form(), "1.0");
  const std::weak_ptr<SequenceState> state = bench.steps[1][0]->state;
  bench.Finish("1.0");
  EXPECT_TRUE(state.expired());
  bench.Compute("2.0");
  bench.Compute("1.1");
}

TEST(SequenceBatcherTest, OldestTakesStepsOfTheCandidatesOnAnyInstance) {
  Bench bench({.model_name = "m", .lanes = 1, .slots = 3, .batching = {.max_batch_size = 2}});
  for (uint64_t id : {1, 2, 3, 4}) ASSERT_TRUE(bench.Add(id, kStart).ok());
  EXPECT_EQ(bench.backlog(), 1);
  EXPECT_EQ(bench.Form(0), "1.0 2.0");
  EXPECT_EQ(bench.Form(1), "3.0");
  ASSERT_TRUE(bench.Add(1, kEnd).ok());
  bench.Finish("1.0 2.0");
  EXPECT_EQ(bench.Form(3), "1.1");
  bench.Finish("1.1");
  EXPECT_EQ(bench.Form(2), "4.0");
}

TEST(SequenceBatcherTest, IdleSequencesEnd) {
  Options options = Direct(1, 1);
  options.max_idle = absl::Milliseconds(20);
  Bench bench(options);
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(2, kStart).ok());
  EXPECT_EQ(bench.Expire(100), "");
  EXPECT_EQ(bench.Form(0, 100), "1.0");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture()) << "what is under way is not idle";
  bench.Finish("1.0", 110);
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(130));
  ASSERT_TRUE(bench.Add(1, 0, 120).ok());
  bench.Compute("1.1", 0, 125);
  bench.Expire(144);
  EXPECT_EQ(bench.live(), 2);
  bench.Expire(145);
  EXPECT_EQ(bench.live(), 1);
  EXPECT_FALSE(bench.Add(1, 0, 145).ok());
  bench.Compute("2.0", 0, 145);
}

TEST(SequenceBatcherTest, ADroppedStepEndsItsSequence) {
  Bench bench(Direct(1, 4));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1, 0, 0, AtMs(5)).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(5));
  EXPECT_EQ(bench.Expire(5), "1.1 DEADLINE_EXCEEDED, 1.2 ABORTED");
  EXPECT_EQ(bench.last_drop, "an earlier request of sequence 1 failed or was dropped: start the sequence again");
  bench.Compute("1.0");
  EXPECT_EQ(bench.Form(), "1.3");
  EXPECT_TRUE(bench.batcher.Remove(bench.steps[1][4].get()));
  EXPECT_FALSE(bench.batcher.Remove(bench.steps[1][3].get())) << "it is under way";
  EXPECT_FALSE(bench.Add(1).ok());
  bench.Finish("1.3");
  EXPECT_EQ(bench.live(), 0);
}

TEST(SequenceBatcherTest, AStepThatExpiresInTheBacklogTakesItsSequenceAway) {
  Bench bench(Direct(1, 1));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(2, kStart, 0, AtMs(5)).ok());
  ASSERT_TRUE(bench.Add(2).ok());
  EXPECT_EQ(bench.Expire(5), "2.0 DEADLINE_EXCEEDED, 2.1 ABORTED");
  EXPECT_EQ(bench.live(), 1);
  EXPECT_EQ(bench.backlog(), 0);
}

TEST(SequenceBatcherTest, RemovedStepsTakeTheirFollowersAlong) {
  Bench bench(Direct(1, 1));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  ASSERT_TRUE(bench.Add(2, kStart).ok());
  EXPECT_TRUE(bench.batcher.Remove(bench.steps[1][0].get()));
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfinitePast());
  EXPECT_EQ(bench.Expire(0), "1.1 ABORTED");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfiniteFuture());
  EXPECT_EQ(bench.live(), 1);
  bench.Compute("2.0");
}

TEST(SequenceBatcherTest, CancelledStepsEndTheirSequence) {
  Bench bench(Direct(1, 1));
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(2, kStart).ok());
  ASSERT_TRUE(bench.Add(3, kStart).ok());
  bench.steps[1][0]->cancelled = true;
  bench.steps[2][0]->cancelled = true;
  EXPECT_EQ(bench.Form(), "");
  EXPECT_EQ(bench.batcher.NextEvent(), absl::InfinitePast());
  EXPECT_EQ(bench.Expire(0), "1.0 CANCELLED");
  // Found by the batcher and taken out before it said so: told once.
  EXPECT_EQ(bench.Form(), "");
  EXPECT_TRUE(bench.batcher.Remove(bench.steps[2][0].get()));
  EXPECT_EQ(bench.Expire(0), "");
  bench.Compute("3.0");
}

TEST(SequenceBatcherTest, AFailedStepEndsItsSequence) {
  Bench bench(Direct(1, 2));
  for (uint64_t id : {1, 2}) ASSERT_TRUE(bench.Add(id, kStart).ok());
  ASSERT_TRUE(bench.Add(1).ok());
  EXPECT_EQ(bench.Form(), "1.0 2.0");
  bench.Finish("1.0 2.0", 0, absl::InternalError("x"));
  EXPECT_EQ(bench.Expire(0), "1.1 ABORTED");
  EXPECT_EQ(bench.live(), 0);
  EXPECT_FALSE(bench.Add(2).ok());
}

TEST(SequenceBatcherTest, AFullQueueRefusesNewSequencesFirst) {
  Options options = Direct(1, 2);
  options.max_queue_size = 2;
  Bench bench(options);
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  bench.Compute("1.0");
  for (uint64_t id : {2, 3}) ASSERT_TRUE(bench.Add(id, kStart).ok());
  const absl::Status status = bench.Add(4, kStart);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "Exceeds maximum queue size");
  EXPECT_EQ(Reason(status), kQueueFull);
  EXPECT_TRUE(bench.Add(1).ok()) << "the next step of a sequence under way";
  EXPECT_EQ(bench.Add(1).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(bench.Add(1).code(), absl::StatusCode::kInvalidArgument) << "the step before it is missing";
  EXPECT_EQ(bench.batcher.waiting(), 3);
  bench.Compute("2.0 1.1");
  EXPECT_EQ(bench.live(), 2);
}

TEST(SequenceBatcherTest, ARefusedRestartEndsTheSequence) {
  Options options = Direct(1, 1);
  options.max_queue_size = 1;
  Bench bench(options);
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  bench.Compute("1.0");
  ASSERT_TRUE(bench.Add(2, kStart).ok());
  EXPECT_EQ(bench.Add(1, kStart).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(bench.Add(1).code(), absl::StatusCode::kInvalidArgument) << "it would go on with the old state";
  bench.Compute("2.0");
}

TEST(SequenceBatcherTest, LiveSequencesAreBounded) {
  Options options = Direct(1, 1);
  options.max_sequences = 2;
  Bench bench(options);
  for (uint64_t id : {1, 2}) ASSERT_TRUE(bench.Add(id, kStart).ok());
  EXPECT_EQ(Reason(bench.Add(3, kStart)), kQueueFull);
  EXPECT_TRUE(bench.Add(2, kStart).ok());
}

TEST(SequenceBatcherTest, DelaysAndDeadlinesOfStepsCountFromTheirTurn) {
  Options options = Direct(1, 4);
  options.batching.max_queue_delay = absl::Milliseconds(10);
  Bench bench(options);
  ASSERT_TRUE(bench.Add(1, kStart).ok());
  ASSERT_TRUE(bench.Add(1, 0, 0, AtMs(32)).ok());
  EXPECT_EQ(bench.Form(0, 9), "");
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(10));
  EXPECT_EQ(bench.Form(0, 10), "1.0");
  bench.Finish("1.0", 20);
  EXPECT_EQ(bench.batcher.NextEvent(), AtMs(26)) << "half of the time to its deadline";
  bench.batcher.Drain();
  EXPECT_EQ(bench.Form(0, 21), "1.1");
}

}  // namespace
}  // namespace msq::server
