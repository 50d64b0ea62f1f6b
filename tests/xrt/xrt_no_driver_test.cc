// Boards in a process that has no driver for XRT, as on a machine without boards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "backends/fpga/xrt_device.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

using ::testing::HasSubstr;

constexpr char kXclbin[] = MSQ_XCLBIN_DIR "/tiny_test.xclbin";

absl::Status Open(const std::string& driver) {
  return OpenXrtDevice({.driver = driver, .index = 0, .xclbin = kXclbin}).status();
}

TEST(XrtNoDriverTest, SaysWhatIsWrong) {
  EXPECT_EQ(Open("zocl").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(Open("zocl")), HasSubstr("\"zocl\" is neither empty nor emu:"));

  const absl::Status missing = Open("emu:no/such/driver.so,devices=2");
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(missing), HasSubstr("no/such/driver.so: cannot open"));

  const absl::Status foreign = Open("emu:libm.so.6");
  EXPECT_EQ(foreign.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(foreign), HasSubstr("libm.so.6 is no emulation driver of ours"));

  const absl::Status misspelt = Open("emu:,fidelity=gates");
  EXPECT_EQ(misspelt.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(misspelt), HasSubstr("fidelity \"gates\" is neither model nor rtl"));
}

// In a process of its own: XRT looks for its driver once.
TEST(XrtNoDriverDeathTest, HasNoBoardWithoutADriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto open_twice = [] {
    // What XRT would load if this pointed to an installation of it.
    unsetenv("XILINX_XRT");
    for (const char* driver : {"", "emu:"}) std::cerr << Open(driver) << "\n";
    _exit(0);
  };
  EXPECT_EXIT(open_twice(), ::testing::ExitedWithCode(0),
              "UNAVAILABLE: xrt 0: opening the board: .*\nFAILED_PRECONDITION: XRT has its driver.*: the system's");
}

}  // namespace
}  // namespace msq::fpga
