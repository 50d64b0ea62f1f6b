// The series of backends' devices, made at each scrape from what the backends report.
#pragma once

#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "backends/registry.h"

namespace msq::server {

// Thread-safe. The registry outlives it.
class DeviceMetrics final : public prometheus::Collectable {
 public:
  explicit DeviceMetrics(const BackendRegistry& backends) : backends_(backends) {}
  // Nothing of backends without devices.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const BackendRegistry& backends_;
};

}  // namespace msq::server
