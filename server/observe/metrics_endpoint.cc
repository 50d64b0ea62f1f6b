#include "server/observe/metrics_endpoint.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include <prometheus/text_serializer.h>

#include "base/status.h"

namespace msq::server {
namespace {

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kExpositionFormat[] = "text/plain; version=0.0.4; charset=utf-8";

WebResponse Answer(const WebRequest& request, const prometheus::Registry& registry, const DeviceMetrics& devices) {
  if (request.path != "/metrics") {
    return {404, {{"Content-Type", kPlainText}}, "nothing is here; the metrics are at /metrics\n"};
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, {{"Content-Type", kPlainText}, {"Allow", "GET, HEAD"}}, "only GET and HEAD are served here\n"};
  }
  std::vector<prometheus::MetricFamily> families = registry.Collect();
  std::vector<prometheus::MetricFamily> of_devices = devices.Collect();
  std::move(of_devices.begin(), of_devices.end(), std::back_inserter(families));
  return {200, {{"Content-Type", kExpositionFormat}}, prometheus::TextSerializer().Serialize(families)};
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<WebServer> server) : server_(std::move(server)) {}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& address,
                                                                        const Metrics& metrics,
                                                                        const DeviceMetrics& devices) {
  WebServer::Options options;
  options.address = address;
  options.threads = 1;
  options.max_connections = 64;
  options.max_body_bytes = 1024;  // scrapers send none
  auto server = WebServer::Start(
      std::move(options), [registry = metrics.registry(), &devices](const std::shared_ptr<WebExchange>& exchange) {
        exchange->Respond(Answer(exchange->request(), *registry, devices));
      });
  if (!server.ok()) return WithContext(server.status(), "metrics");
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(*std::move(server)));
}

}  // namespace msq::server
