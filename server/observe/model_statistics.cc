#include "server/observe/model_statistics.h"

namespace msq::server {

void ModelStatistics::Sum::Tell(inference::StatisticDuration* message) const {
  message->set_count(count);
  message->set_ns(static_cast<uint64_t>(absl::ToInt64Nanoseconds(time)));
}

void ModelStatistics::CountBatch(int64_t samples, const RequestTimes& times) {
  std::lock_guard lock(mutex_);
  ++executions_;
  BatchSums& sums = batches_[samples];
  sums.input.Add(times.gathered - times.started);
  sums.infer.Add(times.computed - times.gathered);
  sums.output.Add(times.encoded - times.computed);
}

void ModelStatistics::CountSuccess(int64_t samples, const RequestTimes& times, absl::Time now) {
  std::lock_guard lock(mutex_);
  last_inference_ = now;
  inferences_ += static_cast<uint64_t>(samples);
  success_.Add(now - times.arrival);
  queue_.Add(times.started - times.queued);
  input_.Add(times.gathered - times.started);
  infer_.Add(times.computed - times.gathered);
  output_.Add(times.encoded - times.computed);
}

void ModelStatistics::CountFailure(FailureReason reason, absl::Duration took) {
  std::lock_guard lock(mutex_);
  fail_.Add(took);
  ++failures_[static_cast<size_t>(reason)];
}

uint64_t ModelStatistics::failures(FailureReason reason) const {
  std::lock_guard lock(mutex_);
  return failures_[static_cast<size_t>(reason)];
}

void ModelStatistics::CountCacheHit(absl::Duration lookup, absl::Time arrival, absl::Time now) {
  std::lock_guard lock(mutex_);
  last_inference_ = now;
  success_.Add(now - arrival);
  cache_hit_.Add(lookup);
}

void ModelStatistics::CountCacheMiss(absl::Duration lookup) {
  std::lock_guard lock(mutex_);
  cache_miss_.Add(lookup);
}

void ModelStatistics::Fill(inference::ModelStatistics* message) const {
  std::lock_guard lock(mutex_);
  message->set_last_inference(static_cast<uint64_t>(absl::ToUnixMillis(last_inference_)));
  message->set_inference_count(inferences_);
  message->set_execution_count(executions_);
  inference::InferStatistics* stats = message->mutable_inference_stats();
  success_.Tell(stats->mutable_success());
  fail_.Tell(stats->mutable_fail());
  queue_.Tell(stats->mutable_queue());
  input_.Tell(stats->mutable_compute_input());
  infer_.Tell(stats->mutable_compute_infer());
  output_.Tell(stats->mutable_compute_output());
  cache_hit_.Tell(stats->mutable_cache_hit());
  cache_miss_.Tell(stats->mutable_cache_miss());
  for (const auto& [size, sums] : batches_) {
    inference::InferBatchStatistics* batch = message->add_batch_stats();
    batch->set_batch_size(static_cast<uint64_t>(size));
    sums.input.Tell(batch->mutable_compute_input());
    sums.infer.Tell(batch->mutable_compute_infer());
    sums.output.Tell(batch->mutable_compute_output());
  }
}

}  // namespace msq::server
