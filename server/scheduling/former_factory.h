// From a model's configuration to its batch former: the one place that knows what the scheduling fields mean.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "proto/model_config.pb.h"
#include "server/scheduling/batch_former.h"

namespace msq::server {

// What holds where a configuration says nothing.
struct FormerDefaults {
  int64_t max_queue_size = 1 << 14;          // requests that wait, of one priority or in all sequences
  int64_t max_sequences = int64_t{100'000};  // live at a time
  int64_t preferred_batch = 1;               // multiples of it are preferred_batch_size; 1: no size is preferred
};

inline constexpr uint64_t kMaxPriorityLevels = 64;

// The former for a model with so many instances. INVALID_ARGUMENT names the field that is wrong.
absl::StatusOr<std::unique_ptr<BatchFormer>> MakeBatchFormer(const inference::ModelConfig& config,
                                                             const FormerDefaults& defaults, int instances);

// Whether requests are put together: only where the configuration asks for it.
bool BatchingOn(const inference::ModelConfig& config);

// Whether answers must leave in the order of their requests.
bool PreservesOrdering(const inference::ModelConfig& config);

}  // namespace msq::server
