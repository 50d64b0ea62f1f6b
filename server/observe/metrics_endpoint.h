// The HTTP endpoint that Prometheus scrapes: GET /metrics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "absl/status/statusor.h"
#include "server/http/web_server.h"

namespace msq::server {

// Serves from construction to destruction.
class MetricsEndpoint {
 public:
  // Tells what the parts, which outlive the endpoint, collect. `address` is HOST:PORT; port 0 picks a free one.
  // UNAVAILABLE when it cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                                std::vector<const prometheus::Collectable*> parts);

  int port() const { return server_->port(); }

 private:
  explicit MetricsEndpoint(std::unique_ptr<WebServer> server);

  std::unique_ptr<WebServer> server_;
};

}  // namespace msq::server
