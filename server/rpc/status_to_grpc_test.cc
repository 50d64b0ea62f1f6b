#include "server/rpc/status_to_grpc.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

TEST(StatusToGrpcTest, EveryCodeKeepsItsNumberAndMessage) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpc(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "why");
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
}

TEST(StatusToGrpcTest, LongMessagesAreCutBetweenCharacters) {
  const std::string message = ToGrpc(absl::InternalError("a" + std::string(5000, '\xC3'))).error_message();
  EXPECT_LT(message.size(), 2100u);
  std::string accents = "a";
  for (int i = 0; i < 3000; ++i) accents += "\xC3\xA9";
  const std::string cut = ToGrpc(absl::InternalError(accents)).error_message();
  EXPECT_EQ(cut.substr(cut.size() - 5), "\xC3\xA9...");
}

}  // namespace
}  // namespace msq::server
