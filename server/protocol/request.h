// One inference request from its arrival to its answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/aligned_buffer.h"
#include "proto/inference.pb.h"
#include "server/protocol/model_description.h"
#include "server/protocol/shared_memory.h"

namespace msq::server {

// One input, checked but not converted. `bytes` lie in the message, in the client's shared memory or in `storage`.
struct RequestInput {
  Datatype datatype = Datatype::kFp32;
  bool normalized = false;  // floats are the network's own input even where it is an image
  Dims shape;               // with the batch dimension, where the model has one
  std::string_view bytes;   // row-major, little-endian, any alignment
  std::string storage;
  std::optional<SharedMemorySpan> region;
};

// Room in a region that the client registered, for one output.
struct OutputRegion {
  std::string name;
  int64_t offset = 0;
  SharedMemorySpan span;
};

struct RequestedOutput {
  size_t index = 0;     // into ModelDescription::outputs
  int64_t classes = 0;  // of the classification extension; 0 asks for the tensor itself
  std::optional<OutputRegion> region;
};

// Names a sequence of requests that share a state: a number or a text, neither is no sequence.
struct SequenceId {
  uint64_t number = 0;
  std::string text;

  explicit operator bool() const { return number != 0 || !text.empty(); }
  auto operator<=>(const SequenceId&) const = default;
};

// What a sequence's steps hand on, in the order of the model's state tensors. Empty before the first step. One step at
// a time has it.
struct SequenceState {
  std::vector<AlignedBuffer> tensors;
};

// When a request passed the stations of its life; unset ones are InfinitePast.
struct RequestTimes {
  absl::Time arrival = absl::InfinitePast();
  absl::Time queued = absl::InfinitePast();
  absl::Time started = absl::InfinitePast();   // its batch was closed and an instance took it
  absl::Time gathered = absl::InfinitePast();  // inputs converted
  absl::Time computed = absl::InfinitePast();
  absl::Time encoded = absl::InfinitePast();
};

// Filled by the decoder, queued by a BatchFormer, answered through `done` exactly once. Of one thread at a time, but
// for `cancelled`. Messages, description and everything that `inputs` refer to outlive it.
struct InferenceRequest {
  const inference::ModelInferRequest* message = nullptr;
  inference::ModelInferResponse* response = nullptr;
  std::function<void(const absl::Status&)> done;
  std::string caller;  // the name of its token; empty where none are asked for

  const ModelDescription* description = nullptr;
  std::string backend;               // pinned by the request; empty for any
  int64_t samples = 1;               // length of the batch dimension
  std::vector<RequestInput> inputs;  // in the model's order
  std::vector<RequestedOutput> outputs;

  uint64_t priority = 0;                          // 1 is the most urgent; 0: the model's default
  absl::Duration timeout = absl::ZeroDuration();  // asked for by the request; 0: the model's default
  absl::Time deadline = absl::InfiniteFuture();   // of the call
  std::atomic<bool> cancelled{false};
  SequenceId sequence;
  bool sequence_start = false;
  bool sequence_end = false;
  bool fits = true;  // else a step that there is no memory for: it is refused, which ends its sequence
  std::shared_ptr<SequenceState> state;  // set while it runs, where it is a step of a sequence
  bool was_accepted = false;             // by a backend that could not compute it: no limit refuses it now
  bool warm_up = false;                  // of a model that is being loaded: no client's, so it is not counted
  absl::Status failure;                  // set by an instance that failed at this request of its batch alone

  RequestTimes times;
};

using RequestPtr = std::shared_ptr<InferenceRequest>;
// What cancels a request, and keeps nothing of it.
using RequestHandle = std::weak_ptr<InferenceRequest>;

}  // namespace msq::server
