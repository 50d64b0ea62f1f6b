// Which former a configuration makes, and what is wrong with those that make none.
#include "server/scheduling/former_factory.h"

#include <string>
#include <utility>

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/testing/make_request.h"

namespace msq::server {
namespace {

using testing::AtMs;
using testing::MakeRequest;

inference::ModelConfig Config(const std::string& text) {
  inference::ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("name: 'm' " + text, &config)) << text;
  return config;
}

absl::StatusOr<std::unique_ptr<BatchFormer>> Make(const std::string& text, int instances = 1) {
  return MakeBatchFormer(Config(text), {.max_queue_size = 100}, instances);
}

std::string ErrorOf(const std::string& text, int instances = 1) {
  const auto former = Make(text, instances);
  if (former.ok()) return "no error";
  EXPECT_EQ(former.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(former.status()));
}

// Samples of the batches that so many requests of one sample make at once.
std::vector<int64_t> Batches(BatchFormer& former, int requests) {
  for (int i = 0; i < requests; ++i) EXPECT_TRUE(former.Add(MakeRequest(), AtMs(0)).ok());
  std::vector<int64_t> sizes;
  while (auto batch = former.Form(0, AtMs(0))) sizes.push_back(batch->samples);
  return sizes;
}

TEST(FormerFactoryTest, RequestsAreBatchedOnlyWhenAskedFor) {
  EXPECT_EQ(Batches(**Make("max_batch_size: 8"), 3), (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(Batches(**Make("max_batch_size: 8 dynamic_batching {}"), 9), (std::vector<int64_t>{8, 1}));
  EXPECT_EQ(Batches(**Make("dynamic_batching { max_queue_delay_microseconds: 9 }"), 2), (std::vector<int64_t>{1, 1}));
  EXPECT_FALSE(BatchingOn(Config("max_batch_size: 8")));
  EXPECT_FALSE(BatchingOn(Config("max_batch_size: 1 dynamic_batching {}")));
  EXPECT_TRUE(BatchingOn(Config("max_batch_size: 8 dynamic_batching {}")));
}

TEST(FormerFactoryTest, PreferredSizesAndDelayTakeEffect) {
  const auto former =
      Make("max_batch_size: 8 dynamic_batching { preferred_batch_size: [2, 4] max_queue_delay_microseconds: 5000 }");
  ASSERT_TRUE(former.ok());
  EXPECT_EQ(Batches(**former, 5), (std::vector<int64_t>{4}));
  EXPECT_EQ((*former)->NextEvent(), AtMs(5));
}

TEST(FormerFactoryTest, ABackendsSizesArePreferredWhereNoneAreGiven) {
  const auto batches = [](const std::string& text) {
    const auto former = MakeBatchFormer(Config(text), {.max_queue_size = 100, .preferred_batch = 4}, 1);
    EXPECT_TRUE(former.ok());
    return Batches(**former, 11);
  };
  EXPECT_EQ(batches("max_batch_size: 9 dynamic_batching {}"), (std::vector<int64_t>{8, 3}));
  EXPECT_EQ(batches("max_batch_size: 9 dynamic_batching { preferred_batch_size: 5 }"), (std::vector<int64_t>{5, 5, 1}));
  EXPECT_EQ(batches("max_batch_size: 3 dynamic_batching {}"), (std::vector<int64_t>{3, 3, 3, 2}));
  EXPECT_EQ(batches("max_batch_size: 9"), std::vector<int64_t>(11, 1));
}

TEST(FormerFactoryTest, EndlessDelaysAreADay) {
  const auto former = Make("max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }");
  ASSERT_TRUE(former.ok());
  EXPECT_EQ(Batches(**former, 9), (std::vector<int64_t>{8}));
  EXPECT_EQ((*former)->NextEvent(), AtMs(24 * 3'600'000));
}

TEST(FormerFactoryTest, PrioritiesHaveTheirPolicies) {
  const auto made = Make(R"(dynamic_batching {
    priority_levels: 2 default_priority_level: 2
    default_queue_policy { max_queue_size: 1 }
    priority_queue_policy { key: 1 value { default_timeout_microseconds: 3000 timeout_action: REJECT } } })");
  ASSERT_TRUE(made.ok());
  BatchFormer& former = **made;
  EXPECT_TRUE(former.Add(MakeRequest(), AtMs(0)).ok());
  EXPECT_FALSE(former.Add(MakeRequest({.priority = 2}), AtMs(0)).ok());
  EXPECT_TRUE(former.Add(MakeRequest({.priority = 1}), AtMs(0)).ok());
  EXPECT_TRUE(former.Add(MakeRequest({.priority = 1}), AtMs(0)).ok());
  EXPECT_EQ(former.NextEvent(), AtMs(3));
  std::vector<DroppedRequest> dropped;
  former.TakeExpired(AtMs(3), &dropped);
  EXPECT_EQ(dropped.size(), 2u);
}

TEST(FormerFactoryTest, TheQueueIsBoundedByDefault) {
  const auto former = Make("dynamic_batching {}");
  Batches(**former, 0);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE((*former)->Add(MakeRequest(), AtMs(0)).ok());
  EXPECT_FALSE((*former)->Add(MakeRequest(), AtMs(0)).ok());
}

// Batches that one instance gets of so many new sequences that send a step each.
std::vector<int64_t> SequenceBatches(BatchFormer& former, uint64_t sequences, absl::Time now) {
  for (uint64_t id = 1; id <= sequences; ++id) {
    EXPECT_TRUE(former.Add(MakeRequest({.sequence = {.number = id, .text = {}}, .start = true}), now).ok());
  }
  std::vector<int64_t> sizes;
  while (auto batch = former.Form(0, now)) sizes.push_back(batch->samples);
  return sizes;
}

TEST(FormerFactoryTest, DirectSequencesHaveASlotForEachSample) {
  const auto former = Make("max_batch_size: 2 sequence_batching {}", 2);
  ASSERT_TRUE(former.ok());
  EXPECT_EQ(SequenceBatches(**former, 5, AtMs(0)), (std::vector<int64_t>{2}));
  EXPECT_EQ((*former)->sequences().live, 5);
  EXPECT_EQ((*former)->sequences().backlog, 1);
  EXPECT_EQ((*former)->Form(1, AtMs(0))->samples, 2);
  EXPECT_FALSE((*former)->Form(2, AtMs(0)).has_value());
  const auto unbatched = Make("sequence_batching { direct {} }");
  EXPECT_EQ(SequenceBatches(**unbatched, 3, AtMs(0)), (std::vector<int64_t>{1}));
}

TEST(FormerFactoryTest, DirectWaitsForEnoughSlots) {
  const std::string text =
      "max_batch_size: 10 sequence_batching { direct { max_queue_delay_microseconds: 5000 minimum_slot_utilization: "
      "0.3 } }";
  EXPECT_EQ(SequenceBatches(**Make(text), 3, AtMs(0)), (std::vector<int64_t>{3}));
  const auto former = Make(text);
  EXPECT_EQ(SequenceBatches(**former, 2, AtMs(0)), (std::vector<int64_t>{}));
  EXPECT_EQ((*former)->Form(0, AtMs(5))->reason, CloseReason::kDelay);
}

TEST(FormerFactoryTest, OldestLimitsTheCandidates) {
  const std::string text = "max_batch_size: 4 sequence_batching { oldest { preferred_batch_size: 3 ";
  EXPECT_EQ(SequenceBatches(**Make(text + "} }"), 9, AtMs(0)), (std::vector<int64_t>{3, 3, 3}));
  EXPECT_EQ(SequenceBatches(**Make(text + "max_candidate_sequences: 2 } }"), 9, AtMs(0)), (std::vector<int64_t>{2}));
  EXPECT_EQ(SequenceBatches(**Make(text + "max_candidate_sequences: 2 } }", 2), 9, AtMs(0)),
            (std::vector<int64_t>{3, 1}));
  EXPECT_TRUE(SequenceBatches(**Make(text + "max_queue_delay_microseconds: 1 } }"), 2, AtMs(0)).empty());
}

TEST(FormerFactoryTest, IdleSequencesEndAfterASecondOrWhatTheConfigurationSays) {
  const std::pair<const char*, int64_t> cases[] = {{"sequence_batching {}", 1000},
                                                   {"sequence_batching { max_sequence_idle_microseconds: 20000 }", 20}};
  for (const auto& [text, idle_ms] : cases) {
    const auto former = Make(text);
    ASSERT_TRUE((*former)->Add(MakeRequest({.sequence = {.number = 1, .text = {}}, .start = true}), AtMs(0)).ok());
    const auto batch = (*former)->Form(0, AtMs(0));
    (*former)->Finish(*batch, AtMs(1), absl::OkStatus());
    EXPECT_EQ((*former)->NextEvent(), AtMs(1 + idle_ms));
  }
}

TEST(FormerFactoryTest, TellsWhereTheOrderIsKept) {
  EXPECT_FALSE(PreservesOrdering(Config("dynamic_batching {}")));
  EXPECT_TRUE(PreservesOrdering(Config("dynamic_batching { preserve_ordering: true }")));
  EXPECT_TRUE(PreservesOrdering(Config("sequence_batching { oldest { preserve_ordering: true } }")));
  EXPECT_TRUE(Make("dynamic_batching { preserve_ordering: true }").ok());
}

TEST(FormerFactoryTest, ErrorsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"max_batch_size: -1", "max_batch_size: -1 is negative"},
      {"max_batch_size: 4 dynamic_batching { preferred_batch_size: 5 }",
       "dynamic_batching.preferred_batch_size: 5 is not in 1..4 (max_batch_size)"},
      {"max_batch_size: 4 dynamic_batching { preferred_batch_size: [4, 0] }",
       "dynamic_batching.preferred_batch_size: 0 is not in 1..4 (max_batch_size)"},
      {"dynamic_batching { preferred_batch_size: 1 }",
       "dynamic_batching.preferred_batch_size: 1 is not in 1..0 (max_batch_size)"},
      {"dynamic_batching { priority_levels: 65 default_priority_level: 1 }",
       "dynamic_batching.priority_levels: 65 is more than 64"},
      {"dynamic_batching { priority_levels: 18446744073709551615 }",
       "dynamic_batching.priority_levels: 18446744073709551615 is more than 64"},
      {"dynamic_batching { priority_levels: 2 }",
       "dynamic_batching.default_priority_level: 0 is not in 1..2 (priority_levels)"},
      {"dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
       "dynamic_batching.default_priority_level: 3 is not in 1..2 (priority_levels)"},
      {"dynamic_batching { priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 } }",
       "dynamic_batching.priority_queue_policy: level 3 is not in 1..2 (priority_levels)"},
      {"dynamic_batching { priority_levels: 2 default_priority_level: 1 preserve_ordering: true }",
       "dynamic_batching.preserve_ordering: only one priority level keeps the order"},
      {"dynamic_batching { preserve_ordering: true default_queue_policy { timeout_action: DELAY "
       "default_timeout_microseconds: 1 } }",
       "dynamic_batching.preserve_ordering: the timeout action DELAY changes the order"},
  };
  const std::pair<const char*, const char*> sequence_cases[] = {
      {"sequence_batching { oldest { max_candidate_sequences: -1 } }",
       "sequence_batching.oldest.max_candidate_sequences: -1 is negative"},
      {"max_batch_size: 4 sequence_batching { oldest { preferred_batch_size: 5 } }",
       "sequence_batching.oldest.preferred_batch_size: 5 is not in 1..4 (max_batch_size)"},
      {"sequence_batching { direct { minimum_slot_utilization: 1.5 } }",
       "sequence_batching.direct.minimum_slot_utilization: 1.5 is not in 0..1"},
      {"sequence_batching { direct { minimum_slot_utilization: nan } }",
       "sequence_batching.direct.minimum_slot_utilization: nan is not in 0..1"},
      {"sequence_batching { iterative_sequence: true }",
       "sequence_batching.iterative_sequence: no model here schedules itself again"},
  };
  for (const auto& [text, error] : sequence_cases) EXPECT_EQ(ErrorOf(text), error);
  for (const auto& [text, error] : cases) EXPECT_EQ(ErrorOf(text), error);
  EXPECT_EQ(ErrorOf("", 0), "instance_group: the model has no instance");
}

}  // namespace
}  // namespace msq::server
