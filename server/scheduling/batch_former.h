// How waiting requests become batches: the contract of the dynamic batcher and of the sequence batcher.
//
// A former is a state machine without threads, locks or a clock of its own: every call tells it the time, so that what
// it does is a function of the calls. The scheduler serialises them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/protocol/request.h"

namespace msq::server {

// Why a batch was closed when it was.
enum class CloseReason : uint8_t {
  kFull,       // the next request does not fit any more
  kPreferred,  // it has a preferred size
  kDelay,      // its oldest request has waited for the longest queue delay
  kImmediate,  // no delay is configured and an instance is free
  kDrain,      // the model is being taken out of service
};
inline constexpr int kCloseReasonCount = 5;

struct Batch {
  std::vector<RequestPtr> requests;  // never empty
  int64_t samples = 0;               // sum of the requests'
  CloseReason reason = CloseReason::kImmediate;
};

// A request that is answered with `status` without having been computed.
struct DroppedRequest {
  RequestPtr request;
  absl::Status status;
};

class BatchFormer {
 public:
  virtual ~BatchFormer() = default;

  // Puts a request in the queue. An error leaves it with the caller: UNAVAILABLE with the reason queue_full,
  // INVALID_ARGUMENT for a request that does not fit the model's way of scheduling.
  virtual absl::Status Add(RequestPtr request, absl::Time now) = 0;

  // Takes a waiting request out; false when it does not wait here.
  virtual bool Remove(const InferenceRequest* request) = 0;

  // Takes out the requests that are not to be computed any more: past their deadline (DEADLINE_EXCEEDED), cancelled
  // (CANCELLED), waited beyond their queue timeout (UNAVAILABLE, queue_timeout).
  virtual void TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) = 0;

  // Instance number `instance` is free: the batch that it is to run now, if there is one. Called after TakeExpired with
  // the same time.
  virtual std::optional<Batch> Form(int instance, absl::Time now) = 0;

  // A batch that Form gave was computed, or failed as `status` says.
  virtual void Finish(const Batch& batch, absl::Time now, const absl::Status& status) = 0;

  // When Form or TakeExpired may have something to give though nothing else happens; InfiniteFuture for never.
  virtual absl::Time NextEvent() const = 0;

  // From now on batches close without delay.
  virtual void Drain() = 0;

  // Requests that wait.
  virtual int64_t waiting() const = 0;
};

}  // namespace msq::server
