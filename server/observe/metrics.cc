#include "server/observe/metrics.h"

#include "server/protocol/reason.h"

namespace msq::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

constexpr const char* kPhaseNames[kPhaseCount] = {"decode", "queue", "compute", "encode", "total"};
constexpr const char* kReasonNames[kFailureReasonCount] = {"bad_request", "queue_full", "deadline", "cancelled",
                                                           "backend"};

prometheus::Histogram::BucketBoundaries DurationBuckets() {
  return {50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

}  // namespace

FailureReason FailureReasonOf(const absl::Status& status) {
  if (Reason(status) == kQueueFull) return FailureReason::kQueueFull;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      return FailureReason::kBadRequest;
    case absl::StatusCode::kDeadlineExceeded:
      return FailureReason::kDeadline;
    case absl::StatusCode::kCancelled:
      return FailureReason::kCancelled;
    default:
      return FailureReason::kBackend;
  }
}

void ModelMetrics::CountAnswer(const absl::Status& status) {
  requests_->Increment();
  if (!status.ok()) failures_[static_cast<size_t>(FailureReasonOf(status))]->Increment();
}

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      build_info_(
          BuildGauge().Name("msq_build_info").Help("Constant 1; the labels say what runs").Register(*registry_)),
      backend_info_(BuildGauge()
                        .Name("msq_backend_info")
                        .Help("Constant 1; the labels name each backend and its device or kernel")
                        .Register(*registry_)),
      model_ready_(BuildGauge()
                       .Name("msq_model_ready")
                       .Help("1 when the model version answers requests, 0 when it could not be loaded")
                       .Register(*registry_)),
      requests_(BuildCounter()
                    .Name("msq_requests_total")
                    .Help("Inference requests answered, failed ones included")
                    .Register(*registry_)),
      failures_(BuildCounter()
                    .Name("msq_request_failures_total")
                    .Help("Inference requests answered with an error, by reason")
                    .Register(*registry_)),
      images_(BuildCounter()
                  .Name("msq_images_total")
                  .Help("Samples computed: a request of batch N counts N")
                  .Register(*registry_)),
      durations_(BuildHistogram()
                     .Name("msq_request_duration_seconds")
                     .Help("Time that requests spent in each phase; total is from arrival to answer")
                     .Register(*registry_)) {
  unresolved_ = &BuildCounter()
                     .Name("msq_unresolved_requests_total")
                     .Help("Inference requests that named no model version that is served")
                     .Register(*registry_)
                     .Add({});
  queued_ = &BuildGauge()
                 .Name("msq_queued_requests")
                 .Help("Inference requests that wait for a worker")
                 .Register(*registry_)
                 .Add({});
}

void Metrics::SetBuildInfo(const std::string& version) {
  build_info_.Add({{"version", version}}).Set(1);
}

void Metrics::AddBackend(const std::string& backend, const std::string& device) {
  backend_info_.Add({{"backend", backend}, {"device", device}}).Set(1);
}

void Metrics::SetModelReady(const std::string& model, const std::string& version, bool ready) {
  model_ready_.Add({{"model", model}, {"version", version}}).Set(ready ? 1 : 0);
}

ModelMetrics Metrics::ForModel(const std::string& model, const std::string& version, const std::string& backend) {
  const prometheus::Labels labels = {{"model", model}, {"version", version}, {"backend", backend}};
  const auto with = [&labels](const char* key, const char* value) {
    prometheus::Labels result = labels;
    result[key] = value;
    return result;
  };
  ModelMetrics metrics;
  metrics.requests_ = &requests_.Add(labels);
  metrics.images_ = &images_.Add(labels);
  for (size_t i = 0; i < kFailureReasonCount; ++i) {
    metrics.failures_[i] = &failures_.Add(with("reason", kReasonNames[i]));
  }
  for (size_t i = 0; i < kPhaseCount; ++i) {
    metrics.durations_[i] = &durations_.Add(with("phase", kPhaseNames[i]), DurationBuckets());
  }
  return metrics;
}

}  // namespace msq::server
