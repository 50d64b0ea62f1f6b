// The report as JSON, which docs/operating.md describes: what /status.json serves.
#pragma once

#include <string>

#include "server/status/status_report.h"

namespace msq::server {

// UTF-8, whatever bytes the report's texts have.
std::string StatusToJson(const StatusReport& report);

}  // namespace msq::server
