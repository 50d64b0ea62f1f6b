// The daemon's own process, under the names that Prometheus' client libraries use.
#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

namespace msq::server {

// Thread-safe. What /proc does not tell has no series.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace msq::server
