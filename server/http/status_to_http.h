// The one place that maps the project's errors to what an HTTP caller sees.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/http/web_exchange.h"

namespace msq::server {

// Header that carries the status's reason (server/protocol/reason.h).
inline constexpr char kReasonHeader[] = "x-msq-reason";

int HttpStatus(absl::StatusCode code);

// {"error": message}, the reason, and what the code asks for besides: when to try again, how to authenticate.
WebResponse ErrorResponse(const absl::Status& status);

// The same for an HTTP status that no error of ours has.
WebResponse ErrorPage(int http_status, const std::string& message);

// The same for what the web server refuses by itself: its 503 means that too much is under way.
WebResponse RefusalPage(int http_status, const std::string& message);

}  // namespace msq::server
