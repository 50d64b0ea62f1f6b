#include "server/models/served_model.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "server/models/instance_groups.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

// A parameter of the configuration that says yes or no.
absl::StatusOr<bool> ReadSwitch(const inference::ModelConfig& config, const std::string& key, bool otherwise) {
  const auto it = config.parameters().find(key);
  if (it == config.parameters().end()) return otherwise;
  const std::string& value = it->second.string_value();
  if (value != "true" && value != "false") {
    return InvalidArgument("parameters['", key, "'] is '", value, "', neither 'true' nor 'false'");
  }
  return value == "true";
}

}  // namespace

// The model on one backend.
class ServedModel::BackendLane final : public LaneListener {
 public:
  BackendLane(std::string backend, ModelStatistics* statistics, std::shared_ptr<ModelMetrics> metrics)
      : backend_(std::move(backend)), statistics_(statistics), metrics_(std::move(metrics)) {}

  void Open(std::unique_ptr<Scheduler::Lane> lane) { lane_ = std::move(lane); }
  // Computes what this backend cannot, because it is gone.
  void SetFallback(BackendLane* lane) { fallback_ = lane; }

  const std::string& backend() const { return backend_; }
  Scheduler::Lane& lane() const { return *lane_; }

  absl::Status Submit(const RequestPtr& request) {
    metrics_->queued().Increment();
    const absl::Status status = lane_->Submit(request);
    if (!status.ok()) metrics_->queued().Decrement();
    return status;
  }

  void CountAnswer(const InferenceRequest& request, const absl::Status& status, absl::Time now) {
    metrics_->CountAnswer(status, request.times, now);
    if (!status.ok()) statistics_->CountFailure(FailureReasonOf(status), now - request.times.arrival);
  }

 private:
  void OnStart(const Batch& batch) override {
    metrics_->queued().Decrement(static_cast<double>(batch.requests.size()));
    metrics_->BeginRun();
  }

  void OnComputed(const RunStatistics& statistics) override { metrics_->EndRun(statistics); }

  void OnBatch(Batch batch, const absl::Status& status) override {
    if (absl::IsUnavailable(status) && fallback_ != nullptr) return FallBack(batch, status);
    if (status.ok() && !batch.requests.front()->warm_up) {
      statistics_->CountBatch(batch.samples, batch.requests.front()->times);
      metrics_->CountBatch(batch.samples, batch.reason);
    }
    for (const RequestPtr& request : batch.requests) Answer(*request, status.ok() ? request->failure : status);
  }

  void OnDrop(DroppedRequest dropped) override {
    metrics_->queued().Decrement();
    Answer(*dropped.request, dropped.status);
  }

  void FallBack(const Batch& batch, const absl::Status& status) {
    for (const RequestPtr& request : batch.requests) {
      if (!request->backend.empty()) {  // pinned here
        Answer(*request, status);
        continue;
      }
      metrics_->CountFailover(1);
      request->times = {.arrival = request->times.arrival};
      request->was_accepted = true;
      const absl::Status refused = fallback_->Submit(request);
      if (!refused.ok()) Answer(*request, refused);
    }
  }

  void Answer(InferenceRequest& request, const absl::Status& status) {
    request.backend = backend_;
    if (!request.warm_up) {
      const absl::Time now = Clock::Real().Now();
      if (status.ok()) statistics_->CountSuccess(request.samples, request.times, now);
      CountAnswer(request, status, now);
    }
    request.done(status);
  }

  const std::string backend_;
  ModelStatistics* const statistics_;
  const std::shared_ptr<ModelMetrics> metrics_;
  BackendLane* fallback_ = nullptr;
  std::unique_ptr<Scheduler::Lane> lane_;
};

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Load(const ModelSource& source,
                                                                     const ModelRuntime& runtime) {
  std::shared_ptr<ServedModel> model(new ServedModel);
  const absl::Time begin = Clock::Real().Now();
  static std::atomic<uint64_t> generations{0};
  model->generation_ = ++generations;
  std::string warning;
  const Platform& platform = ChoosePlatform(runtime.platforms, source.config, &warning);
  if (!warning.empty()) LogWarning("model '", source.config.name(), "': ", warning);
  MSQ_ASSIGN_OR_RETURN(model->servable_, platform.Load(source));
  model->statistics_ = std::make_unique<ModelStatistics>();
  MSQ_RETURN_IF_ERROR(model->AddLanes(runtime));
  model->load_time_ = std::max(Clock::Real().Now() - begin, absl::ZeroDuration());  // the clock may have been set back
  return model;
}

ServedModel::~ServedModel() = default;

absl::Status ServedModel::AddLanes(const ModelRuntime& runtime) {
  const inference::ModelConfig& config = description().config;
  MSQ_ASSIGN_OR_RETURN(overflow_, ReadSwitch(config, "overflow", false));
  MSQ_ASSIGN_OR_RETURN(fallback_, ReadSwitch(config, "fallback", true));
  // The state of a sequence lies with one backend: its steps cannot go elsewhere.
  if (config.has_sequence_batching()) overflow_ = fallback_ = false;
  MSQ_ASSIGN_OR_RETURN(const std::vector<InstanceGroup> groups,
                       ReadInstanceGroups(config, servable_->backends(), runtime.default_instances));
  for (const InstanceGroup& group : groups) {
    const auto scheduler = runtime.schedulers.find(group.backend);
    if (scheduler == runtime.schedulers.end()) return FailedPrecondition("nothing runs backend ", group.backend);
    FormerDefaults defaults = runtime.former;
    defaults.preferred_batch = servable_->preferred_batch(group.backend);
    MSQ_ASSIGN_OR_RETURN(std::unique_ptr<BatchFormer> former, MakeBatchFormer(config, defaults, group.count));
    std::vector<std::unique_ptr<Instance>> instances;
    for (int i = 0; i < group.count; ++i) {
      MSQ_ASSIGN_OR_RETURN(instances.emplace_back(), servable_->NewInstance(group.backend));
    }
    auto metrics = runtime.metrics->ForModel(name(), version(), group.backend);
    metrics->SetWeightBytes(servable_->WeightBytes(group.backend));
    lanes_.push_back(std::make_unique<BackendLane>(group.backend, statistics_.get(), std::move(metrics)));
    BackendLane& lane = *lanes_.back();
    lane.Open(scheduler->second->AddLane({group.weight, PreservesOrdering(config)}, std::move(former),
                                         std::move(instances), &lane, servable_));
  }
  for (size_t i = 0; fallback_ && i + 1 < lanes_.size(); ++i) lanes_[i]->SetFallback(lanes_[i + 1].get());
  return absl::OkStatus();
}

std::vector<std::string> ServedModel::backends() const {
  std::vector<std::string> names;
  for (const auto& lane : lanes_) names.push_back(lane->backend());
  return names;
}

bool ServedModel::ready() const {
  const auto works = [this](const auto& lane) { return servable_->ready(lane->backend()); };
  return fallback_ ? std::any_of(lanes_.begin(), lanes_.end(), works) : works(lanes_.front());
}

absl::Status ServedModel::Submit(const RequestPtr& request) const {
  absl::Status status = absl::OkStatus();
  const BackendLane* refusing = nullptr;
  for (const auto& lane : lanes_) {
    if (!request->backend.empty() && request->backend != lane->backend()) continue;
    status = lane->Submit(request);
    if (status.ok()) return status;
    refusing = lane.get();
    if (!overflow_ || Reason(status) != kQueueFull) break;
  }
  if (refusing == nullptr) {
    const auto name_of = [](std::string* out, const auto& lane) { out->append(lane->backend()); };
    status = InvalidArgument("model '", name(), "' has no backend '", request->backend,
                             "'; it has: ", absl::StrJoin(lanes_, ", ", name_of));
  }
  return status;
}

int64_t ServedModel::waiting() const {
  int64_t waiting = 0;
  for (const auto& lane : lanes_) waiting += lane->lane().waiting();
  return waiting;
}

void ServedModel::Cancel(const RequestPtr& request) const {
  for (const auto& lane : lanes_) lane->lane().Cancel(request);
}

void ServedModel::Drain() const {
  for (const auto& lane : lanes_) lane->lane().Drain();
}

void ServedModel::CountAnswer(const InferenceRequest& request, const absl::Status& status) const {
  const auto pinned =
      std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& lane) { return lane->backend() == request.backend; });
  const auto& lane = pinned == lanes_.end() ? lanes_.front() : *pinned;
  lane->CountAnswer(request, status, Clock::Real().Now());
}

}  // namespace msq::server
