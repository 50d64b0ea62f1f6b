// The HTTP endpoint that Prometheus scrapes: GET /metrics.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observe/metrics.h"

namespace prometheus {
class Exposer;
}

namespace msq::server {

// Serves from construction to destruction.
class MetricsEndpoint {
 public:
  // `address` is HOST:PORT with a numeric host; port 0 picks a free one. UNAVAILABLE when it cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address, const Metrics& metrics);
  ~MetricsEndpoint();

  int port() const { return port_; }

 private:
  MetricsEndpoint();

  std::unique_ptr<prometheus::Exposer> exposer_;
  int port_ = 0;
};

}  // namespace msq::server
