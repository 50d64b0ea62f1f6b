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
  kFull,       // the next request does not fit any more, or nothing is gained by waiting for one
  kPreferred,  // it has a preferred size
  kDelay,      // a request of it must not wait for company any longer
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

struct SequenceCounts {
  int64_t live = 0;
  int64_t backlog = 0;  // of these, those that wait for a slot
};

class BatchFormer {
 public:
  virtual ~BatchFormer() = default;

  // Puts a request in the queue. An error leaves it with the caller: UNAVAILABLE with the reason queue_full,
  // INVALID_ARGUMENT for a request that does not fit the model's way of scheduling.
  virtual absl::Status Add(RequestPtr request, absl::Time now) = 0;

  // Takes a waiting request out; false when it does not wait here. Cheap: meant for the moment its call is cancelled.
  virtual bool Remove(const InferenceRequest* request) = 0;

  // Takes out the requests that are not to be computed any more: past their deadline (DEADLINE_EXCEEDED), waited beyond
  // their queue timeout (UNAVAILABLE, queue_timeout), found cancelled by an earlier Form (CANCELLED), or behind a step
  // of their sequence that was not computed (ABORTED).
  virtual void TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) = 0;

  // Instance number `instance` is free: the batch that it is to run now, if there is one. Called after TakeExpired with
  // the same time.
  virtual std::optional<Batch> Form(int instance, absl::Time now) = 0;

  // A batch that Form gave was computed, or failed as `status` says.
  virtual void Finish(const Batch& batch, absl::Time now, const absl::Status& status) = 0;

  // The next time, after the one last told to TakeExpired or Form, when one of them may have something to give though
  // nothing else happens; InfiniteFuture for never, InfinitePast when TakeExpired has something at once. What Form could
  // give already is no event: it waits for an instance.
  virtual absl::Time NextEvent() const = 0;

  // From now on batches close without delay.
  virtual void Drain() = 0;

  // Requests that wait.
  virtual int64_t waiting() const = 0;

  virtual SequenceCounts sequences() const { return {}; }
};

}  // namespace msq::server
