// Every metric of the daemon but those of devices (device_metrics.h): name, unit, help and labels are declared in
// metrics.cc and nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/backend.h"
#include "server/observe/compute_ledger.h"
#include "server/observe/failure_reason.h"
#include "server/scheduling/batch_former.h"

namespace msq::server {

// The parts of a request's life that are timed apart.
enum class Phase : uint8_t { kDecode, kQueue, kGather, kCompute, kEncode, kTotal };
inline constexpr int kPhaseCount = 6;

// The series of one model version on one backend. Thread-safe.
class ModelMetrics {
 public:
  // A request that was answered, with what it passed through on the way.
  void CountAnswer(const absl::Status& status, const RequestTimes& times, absl::Time now);
  void CountBatch(int64_t samples, CloseReason reason);
  void CountFailover(int64_t requests) { failovers_->Increment(static_cast<double>(requests)); }
  prometheus::Gauge& queued() { return *queued_; }
  // 0: that is not known, and there is no series.
  void SetWeightBytes(int64_t bytes) const;
  // Around each run of an instance, warm-ups too. `statistics` is what the device told of it.
  void BeginRun();
  void EndRun(const RunStatistics& statistics);

 private:
  friend class Metrics;
  ComputeLedger* ledger_ = nullptr;
  ComputeLedger::Account* account_ = nullptr;
  prometheus::Counter* requests_ = nullptr;
  prometheus::Counter* images_ = nullptr;
  prometheus::Counter* failovers_ = nullptr;
  prometheus::Gauge* queued_ = nullptr;
  prometheus::Family<prometheus::Gauge>* weights_family_ = nullptr;
  const prometheus::Labels* labels_ = nullptr;
  prometheus::Histogram* batch_size_ = nullptr;
  std::array<prometheus::Counter*, kCloseReasonCount> batches_{};
  std::array<prometheus::Counter*, kFailureReasonCount> failures_{};
  std::array<prometheus::Histogram*, kPhaseCount> durations_{};
  // Null on backends that count no cycles.
  prometheus::Counter* cycles_ = nullptr;
  prometheus::Counter* dsp_busy_ = nullptr;
  prometheus::Counter* lut_busy_ = nullptr;
  prometheus::Counter* dram_bytes_ = nullptr;
};

// Thread-safe. Series exist only for models of the repository, never for names that a request made up.
class Metrics {
 public:
  Metrics();

  void SetBuildInfo(const std::string& version);
  // Before models are on it.
  void AddBackend(const std::string& backend, const Capabilities& capabilities);
  // `load_time` of one that is ready; nothing: it is not.
  void SetModelReady(const std::string& model, const std::string& version, std::optional<absl::Duration> load_time);
  // The version is not in the repository any more.
  void ForgetModel(const std::string& model, const std::string& version);
  // The series are there for as long as somebody holds them; who asks while somebody does shares them. The metrics
  // must outlive them.
  std::shared_ptr<ModelMetrics> ForModel(const std::string& model, const std::string& version,
                                         const std::string& backend);
  void CountUnresolved() { unresolved_->Increment(); }

  // The main figures of a model version on a backend, for those who want no series; since the series began.
  struct Figures {
    std::string model, version, backend;
    double requests = 0, images = 0, failovers = 0, queued = 0;
    std::array<double, kFailureReasonCount> failures{};
    // Of requests from arrival to answer: how many took no longer than each of DurationBounds, and than any at all.
    std::vector<double> durations;
    double seconds = 0;  // sum
  };
  std::vector<Figures> Read() const;
  static std::vector<double> DurationBounds();  // seconds, ascending

  // What instances were busy with.
  const ComputeLedger& ledger() const { return ledger_; }

  // What the endpoint serves.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Gauge>& build_info_;
  prometheus::Family<prometheus::Gauge>& backend_info_;
  prometheus::Family<prometheus::Gauge>& model_ready_;
  prometheus::Family<prometheus::Gauge>& load_times_;
  prometheus::Family<prometheus::Gauge>& weights_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& failures_;
  prometheus::Family<prometheus::Counter>& images_;
  prometheus::Family<prometheus::Counter>& failovers_;
  prometheus::Family<prometheus::Counter>& batches_;
  prometheus::Family<prometheus::Histogram>& batch_sizes_;
  prometheus::Family<prometheus::Gauge>& queued_;
  prometheus::Family<prometheus::Histogram>& durations_;
  prometheus::Family<prometheus::Counter>& cycles_;
  prometheus::Family<prometheus::Counter>& engines_;
  prometheus::Family<prometheus::Counter>& dram_bytes_;
  prometheus::Counter* unresolved_;
  std::set<std::string> count_cycles_;  // backends
  ComputeLedger ledger_;

  struct Shared {
    ModelMetrics metrics;
    int holders = 0;
  };
  void Release(const prometheus::Labels& labels);
  void AddSeries(const prometheus::Labels& labels, ModelMetrics* metrics);
  void RemoveSeries(const ModelMetrics& metrics);

  mutable std::mutex mutex_;
  std::map<prometheus::Labels, Shared> models_;
};

}  // namespace msq::server
