// Where a program finds the stub instead of XRT, opening a board says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/fpga/xrt_device.h"

namespace msq::fpga {
namespace {

TEST(XrtDeviceLinkStubTest, SaysThatThereIsNoXrt) {
  const absl::Status status = OpenXrtDevice({.driver = "", .index = 0, .xclbin = "x"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("opening the board: XRT is not installed"));
}

}  // namespace
}  // namespace msq::fpga
