// The figures of the protocol's statistics extension, for one model version.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <mutex>

#include "absl/time/time.h"
#include "proto/inference.pb.h"
#include "server/observe/failure_reason.h"
#include "server/protocol/request.h"

namespace msq::server {

// Thread-safe.
class ModelStatistics {
 public:
  // One run of an instance, with the times of any of its requests.
  void CountBatch(int64_t samples, const RequestTimes& times);
  // A request that was computed, from `times.arrival` to `now`.
  void CountSuccess(int64_t samples, const RequestTimes& times, absl::Time now);
  // One that was not, and how long that took.
  void CountFailure(FailureReason reason, absl::Duration took);
  uint64_t failures(FailureReason reason) const;
  // One that the response cache answered, and one that it could not; `lookup` is the time spent on the cache.
  void CountCacheHit(absl::Duration lookup, absl::Time arrival, absl::Time now);
  void CountCacheMiss(absl::Duration lookup);

  // Everything but name and version.
  void Fill(inference::ModelStatistics* message) const;

 private:
  struct Sum {
    uint64_t count = 0;
    absl::Duration time;

    void Add(absl::Duration one) {
      ++count;
      time += std::max(one, absl::ZeroDuration());  // the clock may have been set back
    }
    void Tell(inference::StatisticDuration* message) const;
  };
  struct BatchSums {
    Sum input, infer, output;
  };

  mutable std::mutex mutex_;
  absl::Time last_inference_ = absl::UnixEpoch();
  uint64_t inferences_ = 0;  // samples
  uint64_t executions_ = 0;  // batches
  Sum success_, fail_, queue_, input_, infer_, output_, cache_hit_, cache_miss_;
  std::array<uint64_t, kFailureReasonCount> failures_{};
  std::map<int64_t, BatchSums> batches_;  // by size
};

}  // namespace msq::server
