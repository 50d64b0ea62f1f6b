// The same figures under the names that NVIDIA's Triton gives them, so that dashboards and tools made for it work
// unmodified. An accelerator stands where Triton has a GPU.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
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

  // Of one device, out of one source: the rails that bear its name, or all of its backend where that has no other device.
  struct DeviceEnergy {
    std::pair<std::string, bool> of;  // the source, and whether by the device's name
    std::optional<double> watts;      // nothing while one of the rails cannot be read
    double joules = 0;                // of rails that cannot be read: until then
  };
  // Energy that never falls, whatever it is read from: it grows by what its source's grows by.
  struct EnergyCounter {
    std::pair<std::string, bool> of;
    double last_joules = 0, joules = 0;

    void Look(const DeviceEnergy& energy);
  };
  static std::optional<DeviceEnergy> EnergyOf(const PowerMeter::Report& power, const std::string& backend,
                                              const std::string& device, bool alone);

  const Parts parts_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Share> devices_;
  mutable std::map<std::string, EnergyCounter> energies_;  // by device
  mutable Share processor_;
};

}  // namespace msq::server
