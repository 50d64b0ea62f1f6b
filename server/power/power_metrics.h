// The series of power and energy.
#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "server/power/power_meter.h"

namespace msq::server {

// Thread-safe. A scrape samples first, so that what lies between two scrapes is what lies between their counters.
class PowerMetrics final : public prometheus::Collectable {
 public:
  // The meter outlives this.
  explicit PowerMetrics(PowerMeter* meter) : meter_(*meter) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  PowerMeter& meter_;
};

}  // namespace msq::server
