#include "base/status.h"

#include <gtest/gtest.h>

namespace msq {
namespace {

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument(value, " is odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  MSQ_ASSIGN_OR_RETURN(const int half, Half(value));
  MSQ_RETURN_IF_ERROR(Half(half).status());
  return Half(half);
}

TEST(Status, MacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(3).status(), InvalidArgument("3 is odd"));
  EXPECT_EQ(Quarter(6).status(), InvalidArgument("3 is odd"));
}

TEST(Status, ContextKeepsCodeAndLeavesOkAlone) {
  EXPECT_EQ(WithContext(NotFound("no file"), "load '", "x", "'"), NotFound("load 'x': no file"));
  EXPECT_TRUE(WithContext(absl::OkStatus(), "load").ok());
}

}  // namespace
}  // namespace msq
