// Every metric of the daemon: name, unit, help and labels are declared in metrics.cc and nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace msq::server {

// The parts of a request's life that are timed apart.
enum class Phase : uint8_t { kDecode, kQueue, kCompute, kEncode, kTotal };
inline constexpr int kPhaseCount = 5;

// Why a request failed, as the label `reason` says it.
enum class FailureReason : uint8_t { kBadRequest, kQueueFull, kDeadline, kCancelled, kBackend };
inline constexpr int kFailureReasonCount = 5;
FailureReason FailureReasonOf(const absl::Status& status);

// The series of one model version on one backend. Thread-safe. Owned by Metrics.
class ModelMetrics {
 public:
  void CountAnswer(const absl::Status& status);
  void CountImages(int64_t images) { images_->Increment(static_cast<double>(images)); }
  void Observe(Phase phase, absl::Duration duration) {
    durations_[static_cast<size_t>(phase)]->Observe(absl::ToDoubleSeconds(duration));
  }

 private:
  friend class Metrics;
  prometheus::Counter* requests_ = nullptr;
  prometheus::Counter* images_ = nullptr;
  std::array<prometheus::Counter*, kFailureReasonCount> failures_{};
  std::array<prometheus::Histogram*, kPhaseCount> durations_{};
};

// Thread-safe. Series exist only for models of the repository, never for names that a request made up.
class Metrics {
 public:
  Metrics();

  void SetBuildInfo(const std::string& version);
  void AddBackend(const std::string& backend, const std::string& device);
  void SetModelReady(const std::string& model, const std::string& version, bool ready);
  ModelMetrics ForModel(const std::string& model, const std::string& version, const std::string& backend);
  void CountUnresolved() { unresolved_->Increment(); }
  prometheus::Gauge& queued_requests() { return *queued_; }

  // What the endpoint serves.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Gauge>& build_info_;
  prometheus::Family<prometheus::Gauge>& backend_info_;
  prometheus::Family<prometheus::Gauge>& model_ready_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& failures_;
  prometheus::Family<prometheus::Counter>& images_;
  prometheus::Family<prometheus::Histogram>& durations_;
  prometheus::Counter* unresolved_;
  prometheus::Gauge* queued_;
};

}  // namespace msq::server
