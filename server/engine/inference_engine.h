// The path of an inference: find the model, decode, queue, run, encode. Knows nothing of gRPC.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "proto/inference.pb.h"
#include "server/models/model_repository.h"
#include "server/observe/metrics.h"
#include "server/scheduling/worker_queue.h"

namespace msq::server {

// One request. The messages and the flag must live until `done`.
struct InferenceCall {
  const inference::ModelInferRequest* request = nullptr;
  inference::ModelInferResponse* response = nullptr;
  absl::Time deadline = absl::InfiniteFuture();
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(const absl::Status&)> done;
};

// Thread-safe. Every call is answered by `done` exactly once, on the caller's thread when it is refused, else on a
// worker's. The destructor waits for the answers. Repository and metrics must outlive it.
class InferenceEngine {
 public:
  struct Options {
    int workers = 2;
    size_t queue_capacity = 256;
    int64_t max_queued_bytes = int64_t{1} << 30;  // codes; one request may always wait
    int64_t max_response_bytes = int64_t{1} << 27;
  };
  InferenceEngine(const ModelRepository& repository, Metrics* metrics, const Options& options,
                  const Clock& clock = Clock::Real());

  void Infer(InferenceCall call);

  // Requests put in the queue so far, and those of them that were answered, by error or not.
  int64_t accepted() const { return accepted_; }
  int64_t answered() const { return answered_; }

 private:
  struct Job;
  absl::Status Accept(const std::shared_ptr<Job>& job);
  void Execute(Job& job);
  absl::Status Compute(Job& job);
  void Answer(const ServedBackend& backend, const InferenceCall& call, absl::Time arrival, const absl::Status& status);

  const ModelRepository& repository_;
  Metrics* metrics_;
  const Options options_;
  const Clock& clock_;
  std::atomic<int64_t> queued_bytes_{0};
  std::atomic<int64_t> accepted_{0};
  std::atomic<int64_t> answered_{0};
  WorkerQueue queue_;  // last: its threads use everything above
};

}  // namespace msq::server
