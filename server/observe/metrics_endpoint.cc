#include "server/observe/metrics_endpoint.h"

#include <exception>

#include <prometheus/exposer.h>

#include "base/status.h"

namespace msq::server {

MetricsEndpoint::MetricsEndpoint() = default;
MetricsEndpoint::~MetricsEndpoint() = default;

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& address,
                                                                        const Metrics& metrics) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint);
  std::string numeric = address;
  if (numeric.rfind("localhost:", 0) == 0) numeric.replace(0, 9, "127.0.0.1");  // the web server resolves no names
  try {  // the web server's constructor is the one call of ours that throws
    endpoint->exposer_ = std::make_unique<prometheus::Exposer>(numeric);
    endpoint->exposer_->RegisterCollectable(metrics.registry());
    const std::vector<int> ports = endpoint->exposer_->GetListeningPorts();
    if (ports.size() != 1) return Unavailable("cannot listen on metrics address ", address);
    endpoint->port_ = ports[0];
  } catch (const std::exception& error) {
    return Unavailable("cannot listen on metrics address ", address,
                       ": the port is in use or the address is not this machine's");
  }
  return endpoint;
}

}  // namespace msq::server
