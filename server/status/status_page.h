// The status page and its figures, as the metrics' port serves them: / and /status.json.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/observe/metrics_endpoint.h"
#include "server/status/status_report.h"

namespace msq::server {

// The page is one document: it brings its style and script along, and its Content-Security-Policy allows these, by their
// digests, and nothing else. Its sources are status_page.html, .css and .js, which the build puts into the program.
struct StatusDocument {
  std::string html;
  std::string policy;
};
// INTERNAL when OpenSSL has no SHA-256.
absl::StatusOr<StatusDocument> MakeStatusDocument();

// The reporter outlives the pages.
absl::StatusOr<WebPages> MakeStatusPages(const StatusReporter* reporter);

}  // namespace msq::server
