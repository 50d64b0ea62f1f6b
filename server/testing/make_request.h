// Inference requests for tests of what queues and batches them.
#pragma once

#include <memory>

#include "server/protocol/request.h"

namespace msq::server::testing {

// What schedulers look at in a request: MakeRequest({.samples = 2, .priority = 1}).
struct RequestFields {
  int64_t samples = 1;
  uint64_t priority = 0;
  absl::Duration timeout = absl::ZeroDuration();
  absl::Time deadline = absl::InfiniteFuture();
  SequenceId sequence = {};
  bool start = false;
  bool end = false;
};

inline RequestPtr MakeRequest(const RequestFields& fields = {}) {
  auto request = std::make_shared<InferenceRequest>();
  request->samples = fields.samples;
  request->priority = fields.priority;
  request->timeout = fields.timeout;
  request->deadline = fields.deadline;
  request->sequence = fields.sequence;
  request->sequence_start = fields.start;
  request->sequence_end = fields.end;
  return request;
}

// So many milliseconds after the start of a test.
inline absl::Time AtMs(int64_t milliseconds) {
  return absl::UnixEpoch() + absl::Milliseconds(milliseconds);
}

}  // namespace msq::server::testing
