#include "server/protocol/reason.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

TEST(ReasonTest, TravelsWithTheStatus) {
  const absl::Status status = WithReason(Unavailable("full"), kQueueFull);
  EXPECT_EQ(Reason(status), "queue_full");
  EXPECT_EQ(Reason(WithContext(status, "model")), "queue_full");
  EXPECT_EQ(Reason(Unavailable("other")), "");
}

}  // namespace
}  // namespace msq::server
