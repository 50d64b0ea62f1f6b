// The HTTP endpoint that Prometheus scrapes, GET /metrics, and other pages on the same port.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "absl/status/statusor.h"
#include "server/http/web_server.h"

namespace msq::server {

// What GET and HEAD of a path answer.
struct WebPage {
  WebHeaders headers;                 // Content-Type among them
  std::function<std::string()> body;  // called for each request, one at a time
};
using WebPages = std::map<std::string, WebPage, std::less<>>;  // by path

// Serves from construction to destruction.
class MetricsEndpoint {
 public:
  // Tells what the parts, which outlive the endpoint, collect, and serves the pages. `address` is HOST:PORT; port 0 picks a free one.
  // UNAVAILABLE when it cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                                std::vector<const prometheus::Collectable*> parts,
                                                                WebPages pages = {});

  int port() const { return server_->port(); }

 private:
  explicit MetricsEndpoint(std::unique_ptr<WebServer> server);

  std::unique_ptr<WebServer> server_;
};

}  // namespace msq::server
