// The path of an inference: find the model, decode, queue, answer. Knows nothing of gRPC or HTTP.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "proto/inference.pb.h"
#include "server/engine/held_bytes.h"
#include "server/engine/response_cache.h"
#include "server/models/model_repository.h"
#include "server/observe/metrics.h"
#include "server/observe/trace.h"
#include "server/protocol/request.h"

namespace msq::server {

// One request. The messages must live until `done` is called; it may free them.
struct InferenceCall {
  const inference::ModelInferRequest* request = nullptr;
  inference::ModelInferResponse* response = nullptr;
  int64_t bytes = 0;  // of memory that the request takes; 0: as many as its message has
  absl::Time deadline = absl::InfiniteFuture();
  std::string caller;  // whose shared memory it may use: the name of a token, or empty
  std::function<void(const absl::Status&)> done;
};

// Thread-safe. Every call is answered by `done` exactly once: on the caller's thread, maybe before Infer returns, or on
// another. The destructor waits for the answers. What is given to the constructor must outlive it.
class InferenceEngine {
 public:
  struct Options {
    // Of requests that wait or are computed, and of answers that are held. One request always may where there is
    // nothing else; the steps of sequences that have begun may take as much again.
    int64_t max_queued_bytes = int64_t{1} << 30;
    int64_t max_response_bytes = int64_t{1} << 27;
    bool full_is_exhausted = false;  // a full queue is RESOURCE_EXHAUSTED instead of UNAVAILABLE
  };
  struct Parts {
    const ModelRepository* repository = nullptr;
    const SharedMemoryRegistry* regions = nullptr;
    Metrics* metrics = nullptr;
    Tracer* tracer = nullptr;        // null: nothing is traced
    ResponseCache* cache = nullptr;  // null: nothing is cached
  };
  InferenceEngine(const Parts& parts, const Options& options, const Clock& clock = Clock::Real());
  ~InferenceEngine();

  // The handle is for Cancel alone. Empty when the call was answered at once.
  RequestHandle Infer(InferenceCall call);

  // The client has gone: the request is not computed any more if it waits, and a run of it alone is ended.
  void Cancel(const RequestHandle& handle);

  // For an answer that is on its way: until the result goes, its bytes count beside those of the requests under way.
  HeldBytes Hold(int64_t bytes) { return {&held_bytes_, bytes}; }

  // Requests put in a queue so far, and those of them that were answered, by error or not.
  int64_t accepted() const { return accepted_; }
  int64_t answered() const { return answered_; }

 private:
  struct Job;
  absl::Status Accept(const std::shared_ptr<Job>& job);
  absl::Status Queue(const std::shared_ptr<Job>& job);
  bool AnswerFromCache(Job& job) const;
  void Finish(Job& job, const absl::Status& status);
  void WriteTrace(const Job& job, uint64_t id) const;

  const Parts parts_;
  const Options options_;
  const Clock& clock_;
  std::atomic<int64_t> queued_bytes_{0};  // of requests
  std::atomic<int64_t> held_bytes_{0};    // of answers
  std::atomic<int64_t> accepted_{0};
  std::atomic<int64_t> answered_{0};
};

}  // namespace msq::server
