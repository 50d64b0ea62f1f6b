#include "server/observe/model_statistics.h"

#include <gtest/gtest.h>

namespace msq::server {
namespace {

// A request that arrives `at_ms` and spends 1, 2, 3, 4 and 5 ms in decoding, queue, gathering, computing and encoding.
RequestTimes Times(int64_t at_ms) {
  const absl::Time arrival = absl::UnixEpoch() + absl::Milliseconds(at_ms);
  RequestTimes times;
  times.arrival = arrival;
  times.queued = arrival + absl::Milliseconds(1);
  times.started = arrival + absl::Milliseconds(3);
  times.gathered = arrival + absl::Milliseconds(6);
  times.computed = arrival + absl::Milliseconds(10);
  times.encoded = arrival + absl::Milliseconds(15);
  return times;
}

inference::ModelStatistics Told(const ModelStatistics& statistics) {
  inference::ModelStatistics message;
  statistics.Fill(&message);
  return message;
}

void ExpectDuration(const inference::StatisticDuration& told, uint64_t count, int64_t ms) {
  EXPECT_EQ(told.count(), count);
  EXPECT_EQ(told.ns(), static_cast<uint64_t>(ms) * 1'000'000);
}

TEST(ModelStatisticsTest, NothingYet) {
  const auto told = Told(ModelStatistics());
  EXPECT_EQ(told.last_inference(), 0u);
  EXPECT_EQ(told.inference_count(), 0u);
  EXPECT_EQ(told.batch_stats_size(), 0);
  ExpectDuration(told.inference_stats().success(), 0, 0);
}

TEST(ModelStatisticsTest, TimesOfRequestsAndBatches) {
  ModelStatistics statistics;
  const RequestTimes one = Times(1000), two = Times(1002);
  statistics.CountBatch(5, one);
  statistics.CountSuccess(2, one, one.encoded + absl::Milliseconds(1));
  statistics.CountSuccess(3, two, two.encoded + absl::Milliseconds(1));
  statistics.CountBatch(1, two);
  const auto told = Told(statistics);
  EXPECT_EQ(told.last_inference(), 1018u);  // ms since the epoch
  EXPECT_EQ(told.inference_count(), 5u);
  EXPECT_EQ(told.execution_count(), 2u);
  const auto& stats = told.inference_stats();
  ExpectDuration(stats.success(), 2, 32);
  ExpectDuration(stats.fail(), 0, 0);
  ExpectDuration(stats.queue(), 2, 4);
  ExpectDuration(stats.compute_input(), 2, 6);
  ExpectDuration(stats.compute_infer(), 2, 8);
  ExpectDuration(stats.compute_output(), 2, 10);
  ASSERT_EQ(told.batch_stats_size(), 2);
  EXPECT_EQ(told.batch_stats(0).batch_size(), 1u);
  EXPECT_EQ(told.batch_stats(1).batch_size(), 5u);
  ExpectDuration(told.batch_stats(1).compute_input(), 1, 3);
  ExpectDuration(told.batch_stats(1).compute_infer(), 1, 4);
  ExpectDuration(told.batch_stats(1).compute_output(), 1, 5);
}

TEST(ModelStatisticsTest, FailuresCountApart) {
  ModelStatistics statistics;
  statistics.CountFailure(FailureReason::kQueueFull, absl::Milliseconds(7));
  const auto told = Told(statistics);
  ExpectDuration(told.inference_stats().fail(), 1, 7);
  ExpectDuration(told.inference_stats().success(), 0, 0);
  EXPECT_EQ(told.inference_count(), 0u);
  EXPECT_EQ(told.last_inference(), 0u);
}

TEST(ModelStatisticsTest, CacheHitsAreSuccessesThatComputeNothing) {
  ModelStatistics statistics;
  statistics.CountCacheMiss(absl::Milliseconds(2));
  statistics.CountCacheHit(absl::Milliseconds(3), absl::UnixEpoch() + absl::Milliseconds(6),
                           absl::UnixEpoch() + absl::Milliseconds(9));
  const auto told = Told(statistics);
  ExpectDuration(told.inference_stats().cache_miss(), 1, 2);
  ExpectDuration(told.inference_stats().cache_hit(), 1, 3);
  ExpectDuration(told.inference_stats().success(), 1, 3);
  EXPECT_EQ(told.inference_count(), 0u);
  EXPECT_EQ(told.execution_count(), 0u);
  EXPECT_EQ(told.last_inference(), 9u);
}

}  // namespace
}  // namespace msq::server
