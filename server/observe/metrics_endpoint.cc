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

std::string Scrape(const std::vector<const prometheus::Collectable*>& parts) {
  std::vector<prometheus::MetricFamily> families;
  for (const prometheus::Collectable* part : parts) {
    std::vector<prometheus::MetricFamily> more = part->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  return prometheus::TextSerializer().Serialize(families);
}

WebResponse Answer(const WebRequest& request, const WebPages& pages) {
  const auto page = pages.find(request.path);
  if (page == pages.end()) {
    std::string message = "nothing is here; there are:";
    for (const auto& [path, unused] : pages) message.append(" ").append(path);
    return {404, {{"Content-Type", kPlainText}}, message + "\n"};
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, {{"Content-Type", kPlainText}, {"Allow", "GET, HEAD"}}, "only GET and HEAD are served here\n"};
  }
  return {200, page->second.headers, page->second.body()};
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<WebServer> server) : server_(std::move(server)) {}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, std::vector<const prometheus::Collectable*> parts, WebPages pages) {
  pages["/metrics"] = {{{"Content-Type", kExpositionFormat}}, [parts = std::move(parts)] { return Scrape(parts); }};
  WebServer::Options options;
  options.address = address;
  options.threads = 1;
  options.max_connections = 64;
  options.max_body_bytes = 1024;  // scrapers send none
  auto server =
      WebServer::Start(std::move(options), [pages = std::move(pages)](const std::shared_ptr<WebExchange>& exchange) {
        exchange->Respond(Answer(exchange->request(), pages));
      });
  if (!server.ok()) return WithContext(server.status(), "metrics");
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(*std::move(server)));
}

}  // namespace msq::server
