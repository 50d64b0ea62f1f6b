// The same figures under the names that NVIDIA's Triton gives them, so that dashboards and tools made for it work
// unmodified. An accelerator stands where Triton has a GPU.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "backends/registry.h"
#include "server/models/model_repository.h"
#include "server/power/power_meter.h"

namespace msq::server {

// Thread-safe. What is not known has no series. The parts outlive it.
class TritonMetrics final : public prometheus::Collectable {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Parts {
    const ModelRepository* repository = nullptr;
    const BackendRegistry* backends = nullptr;
    PowerMeter* meter = nullptr;  // null: power is not measured
  };
  explicit TritonMetrics(const Parts& parts) : parts_(parts) {}

  std::vector<prometheus::MetricFamily> Collect() const override { return Collect(std::chrono::steady_clock::now()); }
  std::vector<prometheus::MetricFamily> Collect(Time now) const;

 private:
  // A share of time, as the difference between two looks that are not too close.
  struct Share {
    std::optional<Time> when;
    double busy_seconds = 0, of_seconds = 0;
    std::optional<double> share;

    void Look(Time now, double seconds, double of);
  };

  const Parts parts_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Share> devices_;
  mutable Share processor_;
};

}  // namespace msq::server
