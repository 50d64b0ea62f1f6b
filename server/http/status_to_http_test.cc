#include "server/http/status_to_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(StatusToHttpTest, EveryCodeHasItsStatus) {
  const int expected[] = {200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401};
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(HttpStatus(static_cast<absl::StatusCode>(code)), expected[code]) << code;
  }
}

TEST(StatusToHttpTest, TheMessageIsJsonWhateverItQuotes) {
  const WebResponse response = ErrorResponse(NotFound("no \"m\xFF\""));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "{\"error\":\"no \\\"m\xEF\xBF\xBD\\\"\"}");
  EXPECT_THAT(response.headers, ElementsAre(Pair("Content-Type", "application/json")));
}

TEST(StatusToHttpTest, ReasonsAndWhatToDoAreHeaders) {
  const WebResponse full = ErrorResponse(WithReason(Unavailable("full"), kQueueFull));
  EXPECT_EQ(full.status, 503);
  EXPECT_THAT(full.headers, Contains(Pair("x-msq-reason", "queue_full")));
  EXPECT_THAT(full.headers, Contains(Pair("Retry-After", "1")));
  const WebResponse leaving = ErrorResponse(WithReason(Unavailable("bye"), kShuttingDown));
  EXPECT_THAT(leaving.headers,
              ElementsAre(Pair("Content-Type", "application/json"), Pair("x-msq-reason", "shutting_down")));
  const WebResponse refused = RefusalPage(503, "too much");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.headers, Contains(Pair("x-msq-reason", "queue_full")));
  EXPECT_EQ(RefusalPage(413, "large").headers.size(), 1u);
  EXPECT_THAT(ErrorResponse(absl::UnauthenticatedError("who")).headers, Contains(Pair("WWW-Authenticate", "Bearer")));
}

}  // namespace
}  // namespace msq::server
