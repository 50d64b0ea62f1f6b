// A build without XRT says so.
#include <gtest/gtest.h>

#include "backends/fpga/xrt_device.h"

namespace msq::fpga {
namespace {

TEST(XrtDeviceAbsentTest, SaysSo) {
  EXPECT_EQ(OpenXrtDevice({.driver = "", .index = 0, .xclbin = "x"}).status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace msq::fpga
