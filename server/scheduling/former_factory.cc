#include "server/scheduling/former_factory.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/status.h"
#include "server/scheduling/dynamic_batcher.h"
#include "server/scheduling/sequence_batcher.h"

namespace msq::server {
namespace {

using PreferredSizes = google::protobuf::RepeatedField<int32_t>;

// A day is as good as for ever, and times beyond it still fit every clock.
absl::Duration FromMicroseconds(uint64_t us) {
  constexpr uint64_t kDay = uint64_t{24} * 3600 * 1'000'000;
  return absl::Microseconds(static_cast<int64_t>(std::min(us, kDay)));
}

absl::StatusOr<std::vector<int64_t>> ReadPreferredSizes(const PreferredSizes& sizes, int64_t max_batch_size,
                                                        const char* field) {
  for (int32_t size : sizes) {
    if (size < 1 || size > max_batch_size) {
      return InvalidArgument(field, ".preferred_batch_size: ", size, " is not in 1..", max_batch_size,
                             " (max_batch_size)");
    }
  }
  return std::vector<int64_t>(sizes.begin(), sizes.end());
}

QueuePolicy ReadPolicy(const inference::ModelQueuePolicy& policy) {
  using Action = QueuePolicy::TimeoutAction;
  return {.timeout_action =
              policy.timeout_action() == inference::ModelQueuePolicy::DELAY ? Action::kDelay : Action::kReject,
          .default_timeout = FromMicroseconds(policy.default_timeout_microseconds()),
          .allow_timeout_override = policy.allow_timeout_override(),
          .max_queue_size = policy.max_queue_size()};
}

// Without levels there is one, and what is said of others means nothing.
absl::Status ReadPriorities(const inference::ModelDynamicBatching& batching, DynamicBatcher::Options* options) {
  const uint64_t levels = batching.priority_levels();
  if (levels > kMaxPriorityLevels) {
    return InvalidArgument("dynamic_batching.priority_levels: ", levels, " is more than ", kMaxPriorityLevels);
  }
  options->priorities.assign(std::max<uint64_t>(levels, 1), ReadPolicy(batching.default_queue_policy()));
  if (levels == 0) return absl::OkStatus();
  options->default_priority = batching.default_priority_level();
  if (options->default_priority < 1 || options->default_priority > levels) {
    return InvalidArgument("dynamic_batching.default_priority_level: ", options->default_priority, " is not in 1..",
                           levels, " (priority_levels)");
  }
  for (const auto& [level, policy] : batching.priority_queue_policy()) {
    if (level < 1 || level > levels) {
      return InvalidArgument("dynamic_batching.priority_queue_policy: level ", level, " is not in 1..", levels,
                             " (priority_levels)");
    }
    options->priorities[level - 1] = ReadPolicy(policy);
  }
  return absl::OkStatus();
}

// Order is that of arrival: nothing may overtake.
absl::Status CheckOrdering(const DynamicBatcher::Options& options) {
  if (options.priorities.size() > 1) {
    return InvalidArgument("dynamic_batching.preserve_ordering: only one priority level keeps the order");
  }
  const QueuePolicy& policy = options.priorities[0];
  const bool times_out = policy.default_timeout > absl::ZeroDuration() || policy.allow_timeout_override;
  if (times_out && policy.timeout_action == QueuePolicy::TimeoutAction::kDelay) {
    return InvalidArgument("dynamic_batching.preserve_ordering: the timeout action DELAY changes the order");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchFormer>> MakeDynamicBatcher(const inference::ModelConfig& config,
                                                                const FormerDefaults& defaults) {
  const inference::ModelDynamicBatching& batching = config.dynamic_batching();
  DynamicBatcher::Options options;
  options.max_queue_size = defaults.max_queue_size;
  if (BatchingOn(config)) options.max_batch_size = config.max_batch_size();
  MSQ_ASSIGN_OR_RETURN(options.preferred_batch_sizes, ReadPreferredSizes(batching.preferred_batch_size(),
                                                                         config.max_batch_size(), "dynamic_batching"));
  if (options.preferred_batch_sizes.empty() && defaults.preferred_batch > 1) {
    const int64_t step = defaults.preferred_batch;
    for (int64_t size = step; size <= config.max_batch_size(); size += step)
      options.preferred_batch_sizes.push_back(size);
  }
  if (!BatchingOn(config)) options.preferred_batch_sizes.clear();
  options.max_queue_delay = FromMicroseconds(batching.max_queue_delay_microseconds());
  MSQ_RETURN_IF_ERROR(ReadPriorities(batching, &options));
  if (batching.preserve_ordering()) MSQ_RETURN_IF_ERROR(CheckOrdering(options));
  return std::make_unique<DynamicBatcher>(std::move(options));
}

// Every instance sees all steps of its sequences. A batch goes at once when enough of its slots have a step.
absl::Status ReadDirect(const inference::ModelSequenceBatching::StrategyDirect& direct, int instances,
                        SequenceBatcher::Options* options) {
  options->lanes = instances;
  options->slots = std::max<int64_t>(options->batching.max_batch_size, 1);
  const double utilization = direct.minimum_slot_utilization();
  if (!(utilization >= 0 && utilization <= 1)) {
    return InvalidArgument("sequence_batching.direct.minimum_slot_utilization: ", utilization, " is not in 0..1");
  }
  // The field is a float: 0.3 of 10 slots are 3.
  const auto enough = static_cast<int64_t>(std::ceil(utilization * static_cast<double>(options->slots) - 1e-4));
  if (enough <= 1) return absl::OkStatus();
  options->batching.max_queue_delay = FromMicroseconds(direct.max_queue_delay_microseconds());
  for (int64_t size = enough; size <= options->slots; ++size) options->batching.preferred_batch_sizes.push_back(size);
  return absl::OkStatus();
}

// Any instance takes the oldest steps of the candidates.
absl::Status ReadOldest(const inference::ModelSequenceBatching::StrategyOldest& oldest, int instances,
                        SequenceBatcher::Options* options) {
  const int64_t candidates = oldest.max_candidate_sequences();
  if (candidates < 0) {
    return InvalidArgument("sequence_batching.oldest.max_candidate_sequences: ", candidates, " is negative");
  }
  options->slots = candidates > 0 ? candidates * instances : options->max_sequences;
  options->batching.max_queue_delay = FromMicroseconds(oldest.max_queue_delay_microseconds());
  MSQ_ASSIGN_OR_RETURN(
      options->batching.preferred_batch_sizes,
      ReadPreferredSizes(oldest.preferred_batch_size(), options->batching.max_batch_size, "sequence_batching.oldest"));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchFormer>> MakeSequenceBatcher(const inference::ModelConfig& config,
                                                                 const FormerDefaults& defaults, int instances) {
  const inference::ModelSequenceBatching& batching = config.sequence_batching();
  if (batching.iterative_sequence()) {
    return InvalidArgument("sequence_batching.iterative_sequence: no model here schedules itself again");
  }
  SequenceBatcher::Options options;
  options.model_name = config.name();
  options.max_queue_size = defaults.max_queue_size;
  options.max_sequences = defaults.max_sequences;
  options.batching.max_batch_size = config.max_batch_size();
  if (batching.max_sequence_idle_microseconds() > 0) {
    options.max_idle = FromMicroseconds(batching.max_sequence_idle_microseconds());
  }
  MSQ_RETURN_IF_ERROR(batching.has_oldest() ? ReadOldest(batching.oldest(), instances, &options)
                                            : ReadDirect(batching.direct(), instances, &options));
  return std::make_unique<SequenceBatcher>(std::move(options));
}

}  // namespace

bool BatchingOn(const inference::ModelConfig& config) {
  return config.max_batch_size() > 1 && (config.has_dynamic_batching() || config.has_sequence_batching());
}

bool PreservesOrdering(const inference::ModelConfig& config) {
  return config.dynamic_batching().preserve_ordering() || config.sequence_batching().oldest().preserve_ordering();
}

absl::StatusOr<std::unique_ptr<BatchFormer>> MakeBatchFormer(const inference::ModelConfig& config,
                                                             const FormerDefaults& defaults, int instances) {
  if (config.max_batch_size() < 0) return InvalidArgument("max_batch_size: ", config.max_batch_size(), " is negative");
  if (instances < 1) return InvalidArgument("instance_group: the model has no instance");
  if (config.has_sequence_batching()) return MakeSequenceBatcher(config, defaults, instances);
  return MakeDynamicBatcher(config, defaults);
}

}  // namespace msq::server
