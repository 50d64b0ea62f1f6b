#include "server/http/status_to_http.h"

#include "base/status.h"
#include "server/http/message_json.h"
#include "server/protocol/reason.h"

namespace msq::server {

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;  // as nginx says it: the client closed the request
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

WebResponse ErrorPage(int http_status, const std::string& message) {
  return {http_status, {{"Content-Type", "application/json"}}, DumpJson(Json{{"error", message}})};
}

WebResponse RefusalPage(int http_status, const std::string& message) {
  return http_status == 503 ? ErrorResponse(WithReason(absl::UnavailableError(message), kQueueFull))
                            : ErrorPage(http_status, message);
}

WebResponse ErrorResponse(const absl::Status& status) {
  WebResponse response = ErrorPage(HttpStatus(status.code()), std::string(Message(status)));
  const std::string reason = Reason(status);
  if (!reason.empty()) response.headers.emplace_back(kReasonHeader, reason);
  if (reason == kQueueFull) response.headers.emplace_back("Retry-After", "1");
  if (absl::IsUnauthenticated(status)) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace msq::server
