// The HTTP endpoint that Prometheus scrapes: GET /metrics.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/http/web_server.h"
#include "server/observe/device_metrics.h"
#include "server/observe/metrics.h"

namespace msq::server {

// Serves from construction to destruction.
class MetricsEndpoint {
 public:
  // `address` is HOST:PORT; port 0 picks a free one. UNAVAILABLE when it cannot listen there. `devices` outlives the
  // endpoint.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address, const Metrics& metrics,
                                                                const DeviceMetrics& devices);

  int port() const { return server_->port(); }

 private:
  explicit MetricsEndpoint(std::unique_ptr<WebServer> server);

  std::unique_ptr<WebServer> server_;
};

}  // namespace msq::server
