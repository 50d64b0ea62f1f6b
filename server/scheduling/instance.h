// What computes batches: one instance of a model on one backend.
#pragma once

#include <span>

#include "absl/status/status.h"
#include "backends/backend.h"
#include "server/protocol/request.h"

namespace msq::server {

// One batch at a time; any thread. Owns its working memory.
class Instance {
 public:
  virtual ~Instance() = default;

  // Computes the requests together and fills each one's response and its times from `gathered` on. What a request gets
  // is a function of the request (and of its sequence's state) alone. An error is the error of every request of the
  // batch: UNAVAILABLE says that the backend is gone, and that another one may compute them.
  virtual absl::Status Execute(std::span<const RequestPtr> batch) = 0;
  // What the device told of the last Execute.
  virtual RunStatistics LastRun() const { return {}; }
};

}  // namespace msq::server
