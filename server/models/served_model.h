// One version of one model in service: what it computes, its queues on its backends, and the counts of what it did.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/platform.h"
#include "server/observe/metrics.h"
#include "server/observe/model_statistics.h"
#include "server/scheduling/former_factory.h"
#include "server/scheduling/scheduler.h"

namespace msq::server {

// What all models share. Everything that is pointed to outlives them.
struct ModelRuntime {
  std::vector<const Platform*> platforms;        // the first is for configurations that name none
  std::map<std::string, Scheduler*> schedulers;  // by backend
  Metrics* metrics = nullptr;
  FormerDefaults former;
  int default_instances = 1;  // of a model on a backend
};

// Thread-safe. Shared by the repository and the requests under way: each of them keeps it alive until it is answered.
class ServedModel {
 public:
  // INVALID_ARGUMENT for a configuration that cannot be, else as the platform says.
  static absl::StatusOr<std::shared_ptr<const ServedModel>> Load(const ModelSource& source,
                                                                 const ModelRuntime& runtime);
  ~ServedModel();

  const ModelDescription& description() const { return servable_->description(); }
  const std::string& name() const { return description().name(); }
  const std::string& version() const { return description().version; }
  ModelStatistics& statistics() const { return *statistics_; }
  // Differs between any two models that this process has loaded.
  uint64_t generation() const { return generation_; }
  absl::Duration load_time() const { return load_time_; }  // without its warm-up
  int64_t waiting() const;                                 // requests, on all backends
  std::vector<std::string> backends() const;               // that it runs on, the preferred one first
  // Whether requests that pin no backend can be answered: false while all devices that could are out of service.
  bool ready() const;
  // Whether what that backend is given can be answered there.
  bool ready(std::string_view backend) const { return servable_->ready(backend); }

  // Queues a decoded request: on the backend that it pins, else on the first one, else, where the configuration's
  // parameter `overflow` is true and the queue is full, on the next one. It will be answered: `done` is called, once. A
  // batch whose backend is gone is computed by the next one, unless the parameter `fallback` is false. An error
  // refuses: the request is neither answered nor counted. Requests that pin a backend, and steps of a sequence, stay
  // with theirs.
  absl::Status Submit(const RequestPtr& request) const;

  // Answers the request with CANCELLED if it waits; one that is being computed goes on.
  void Cancel(const RequestPtr& request) const;

  // From now on nothing waits for company: the version is being taken out of service.
  void Drain() const;

  // Counts a request of this model that was answered without being queued: refused, or out of the cache.
  void CountAnswer(const InferenceRequest& request, const absl::Status& status) const;

 private:
  class BackendLane;

  ServedModel() = default;
  absl::Status AddLanes(const ModelRuntime& runtime);

  std::shared_ptr<const Servable> servable_;
  std::unique_ptr<ModelStatistics> statistics_;
  std::vector<std::unique_ptr<BackendLane>> lanes_;  // in order of preference
  bool overflow_ = false, fallback_ = true;
  uint64_t generation_ = 0;
  absl::Duration load_time_;
};

}  // namespace msq::server
