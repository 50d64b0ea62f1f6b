// GET over plain HTTP: just what fetching a /metrics page takes.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace msq::bench {

// The body of `url` (http://HOST[:PORT][/PATH]; brackets around an IPv6 address). The message names the URL and the
// cause: INVALID_ARGUMENT for what is no such URL, UNAVAILABLE when nobody answers in time, the status is
// not 200, or the body is not as long as the answer's head says.
absl::StatusOr<std::string> HttpGet(const std::string& url, absl::Duration timeout);

}  // namespace msq::bench
