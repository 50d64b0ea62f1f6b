#include "server/observe/metrics_endpoint.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <prometheus/text_serializer.h>

#include "base/status.h"

namespace msq::server {
namespace {

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kExpositionFormat[] = "text/plain; version=0.0.4; charset=utf-8";

WebResponse Answer(const WebRequest& request, const std::vector<const prometheus::Collectable*>& parts) {
  if (request.path != "/metrics") {
    return {404, {{"Content-Type", kPlainText}}, "nothing is here; the metrics are at /metrics\n"};
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, {{"Content-Type", kPlainText}, {"Allow", "GET, HEAD"}}, "only GET and HEAD are served here\n"};
  }
  std::vector<prometheus::MetricFamily> families;
  for (const prometheus::Collectable* part : parts) {
    std::vector<prometheus::MetricFamily> more = part->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  return {200, {{"Content-Type", kExpositionFormat}}, prometheus::TextSerializer().Serialize(families)};
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<WebServer> server) : server_(std::move(server)) {}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, std::vector<const prometheus::Collectable*> parts) {
  WebServer::Options options;
  options.address = address;
  options.threads = 1;
  options.max_connections = 64;
  options.max_body_bytes = 1024;  // scrapers send none
  auto server =
      WebServer::Start(std::move(options), [parts = std::move(parts)](const std::shared_ptr<WebExchange>& exchange) {
        exchange->Respond(Answer(exchange->request(), parts));
      });
  if (!server.ok()) return WithContext(server.status(), "metrics");
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(*std::move(server)));
}

}  // namespace msq::server
