// The emulation driver through XRT's own interface, as a program that was written for a board uses it.
#include <dlfcn.h>
#include <experimental/xrt_ip.h>
#include <experimental/xrt_system.h>
#include <experimental/xrt_xclbin.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "hw/emulation/emulation_driver.h"
#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"
#include "hw/sim/testing/copy_program.h"

namespace msq::emulation {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBytes = 1 << 15;  // of the buffer, which holds program, source and target
constexpr size_t kFrom = 4096, kTo = 8192;
constexpr int64_t kWords = 60;
const std::string kXclbins = MSQ_XCLBIN_DIR;

const char* Configure(const std::string& options) {
  static const auto configure = [] {
    void* driver = dlopen(DefaultDriverPath().c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    EXPECT_NE(driver, nullptr) << dlerror();
    return reinterpret_cast<ConfigureFunction>(dlsym(driver, kConfigureFunction));
  }();
  return configure(options.c_str());
}

template <typename Function>
std::string Refusal(Function function) {
  try {
    function();
    return "nothing was refused";
  } catch (const std::exception& error) {
    return error.what();
  }
}

class XrtDriverTest : public ::testing::Test {
 protected:
  // The same board for all of them, so a test leaves no buffer and no IP.
  void Open(const std::string& options = "", const std::string& xclbin = "tiny_test") {
    ASSERT_EQ(Configure("fidelity=rtl,memory=ideal," + options), nullptr);
    device = xrt::device(0);
    uuid = device.load_xclbin(kXclbins + "/" + xclbin + ".xclbin");
  }

  // A buffer with the program and what it copies, transferred.
  xrt::bo MakeCopy() {
    xrt::bo buffer(device, kBytes, xrt::bo::flags::cacheable, 0);
    auto* bytes = buffer.map<std::byte*>();
    const auto program = hw::testing::CopyProgram(buffer.address() + kFrom, buffer.address() + kTo, kWords);
    std::memcpy(bytes, program.data(), program.size());
    for (size_t i = 0; i < 8 * kWords; ++i) bytes[kFrom + i] = static_cast<std::byte>(3 * i + 1);
    buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE);
    return buffer;
  }

  static void Start(xrt::ip& ip, const xrt::bo& buffer) {
    ip.write_register(hw::kProgAddrLoRegister, static_cast<uint32_t>(buffer.address()));
    ip.write_register(hw::kDramBaseLoRegister, static_cast<uint32_t>(buffer.address()));
    ip.write_register(hw::kDramSizeLoRegister, kBytes);
    ip.write_register(hw::kWatchdogRegister, 10'000);
    ip.write_register(hw::kCtrlRegister, hw::kCtrlApStart.mask());
  }

  static bool IsCopied(xrt::bo& buffer) {
    buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
    const auto* bytes = buffer.map<std::byte*>();
    return std::memcmp(bytes + kFrom, bytes + kTo, 8 * kWords) == 0;
  }

  static bool Ends(xrt::ip& ip) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (hw::kCtrlApDone.Of(ip.read_register(hw::kCtrlRegister)) != 0) return true;
    }
    return false;
  }

  // As a program for the kernel that XRT starts.
  static xrt::run Run(xrt::kernel& kernel, xrt::bo& buffer) {
    return kernel(buffer, buffer.address(), uint64_t{kBytes}, uint32_t{10'000});
  }

  xrt::device device;
  xrt::uuid uuid;
};

TEST_F(XrtDriverTest, XrtReadsTheXclbin) {
  const xrt::xclbin xclbin(kXclbins + "/tiny.xclbin");
  ASSERT_EQ(xclbin.get_ips().size(), 1u);
  const xrt::xclbin::ip ip = xclbin.get_ips()[0];
  EXPECT_EQ(ip.get_name(), "msq_kernel:msq_kernel_1");
  EXPECT_EQ(ip.get_base_address(), 0x43c00000u);
  EXPECT_EQ(ip.get_control_type(), xrt::xclbin::ip::control_type::none);
  ASSERT_EQ(xclbin.get_mems().size(), 1u);
  EXPECT_EQ(xclbin.get_mems()[0].get_tag(), "DDR");
  EXPECT_EQ(xclbin.get_mems()[0].get_base_address(), 0x10000000u);
  EXPECT_EQ(xclbin.get_mems()[0].get_size_kb(), 256u * 1024);
  EXPECT_EQ(xclbin.get_xsa_name(), "msq:zynq7000:tiny:1.0");
  ASSERT_EQ(xclbin.get_kernels().size(), 1u);
  const xrt::xclbin::kernel kernel = xclbin.get_kernels()[0];
  EXPECT_EQ(kernel.get_name(), "msq_kernel");
  ASSERT_EQ(kernel.get_args().size(), 4u);
  EXPECT_EQ(kernel.get_args()[0].get_name(), "program");
  EXPECT_EQ(kernel.get_args()[3].get_offset(), 0x28u);
  EXPECT_NE(xclbin.get_uuid(), xrt::xclbin(kXclbins + "/z020.xclbin").get_uuid());
}

TEST_F(XrtDriverTest, TellsWhatItIs) {
  Open("devices=2");
  EXPECT_EQ(device.get_info<xrt::info::device::name>(), "msq:zynq7000:tiny:1.0");
  EXPECT_EQ(device.get_info<xrt::info::device::max_clock_frequency_mhz>(), 100u);
  EXPECT_EQ(device.get_xclbin_uuid(), uuid);
  xrt::ip ip(device, uuid, "msq_kernel");
  EXPECT_EQ(ip.read_register(hw::kIdRegister), hw::kIdValue);
  EXPECT_EQ(ip.read_register(hw::kBuildIdRegister), hw::FindConfiguration("tiny")->build_id);
  EXPECT_THAT(Refusal([&] { ip.read_register(0x1000); }), HasSubstr("outside kernel register space"));
}

TEST_F(XrtDriverTest, KeepsTwoCopiesOfABuffer) {
  Open();
  xrt::bo buffer = MakeCopy();
  xrt::ip ip(device, uuid, "msq_kernel");
  auto* bytes = buffer.map<std::byte*>();
  // Changed, but not transferred: the accelerator does not see it.
  bytes[kFrom] ^= std::byte{1};
  Start(ip, buffer);
  ASSERT_TRUE(Ends(ip));
  EXPECT_EQ(bytes[kTo + 1], std::byte{0});
  buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE, 8 * kWords, kTo);
  EXPECT_EQ(bytes[kTo + 1], bytes[kFrom + 1]);
  EXPECT_NE(bytes[kTo], bytes[kFrom]);
  EXPECT_TRUE(IsCopied(buffer));
}

TEST_F(XrtDriverTest, AllocatesWhatThereIs) {
  Open();
  xrt::bo first(device, 4096, xrt::bo::flags::cacheable, 0), second(device, 4096, xrt::bo::flags::normal, 0);
  EXPECT_EQ(first.address(), 0x10000000u);
  EXPECT_EQ(second.address(), 0x10001000u);
  EXPECT_THAT(Refusal([&] { xrt::bo(device, size_t{8} << 20, xrt::bo::flags::cacheable, 0); }), HasSubstr("alloc"));
  const xrt::bo part(second, 1024, 512);
  EXPECT_EQ(part.address(), second.address() + 512);
  EXPECT_THAT(Refusal([&] { second.sync(XCL_BO_SYNC_BO_TO_DEVICE, 4096, 8); }), HasSubstr("outside the buffer"));
}

TEST_F(XrtDriverTest, Interrupts) {
  Open();
  xrt::bo buffer = MakeCopy();
  xrt::ip ip(device, uuid, "msq_kernel");
  xrt::ip::interrupt interrupt = ip.create_interrupt_notify();
  ip.write_register(hw::kGieRegister, 1);
  ip.write_register(hw::kIerRegister, 1);
  for (int i = 0; i < 3; ++i) {
    interrupt.enable();
    Start(ip, buffer);
    interrupt.wait();
    ip.write_register(hw::kIsrRegister, ip.read_register(hw::kIsrRegister));
  }
  EXPECT_TRUE(IsCopied(buffer));
  // As on a board.
  EXPECT_THAT(Refusal([&] { interrupt.wait(std::chrono::milliseconds(1)); }), HasSubstr("no such thing"));
}

TEST_F(XrtDriverTest, RunsAKernel) {
  Open("", "tiny_kernel_test");
  xrt::bo buffer = MakeCopy();
  xrt::kernel kernel(device, uuid, "msq_kernel");
  for (int i = 0; i < 3; ++i) {
    xrt::run run = Run(kernel, buffer);
    EXPECT_EQ(run.wait(std::chrono::seconds(10)), ERT_CMD_STATE_COMPLETED);
  }
  EXPECT_TRUE(IsCopied(buffer));
  EXPECT_THAT(Refusal([&] { xrt::ip(device, uuid, "msq_kernel"); }), HasSubstr("the IP is in use"));
}

TEST_F(XrtDriverTest, TellsAKernelThatFails) {
  Open("fault=slverr@1", "tiny_kernel_test");
  xrt::bo buffer = MakeCopy();
  xrt::kernel kernel(device, uuid, "msq_kernel");
  EXPECT_EQ(Run(kernel, buffer).wait(std::chrono::seconds(10)), ERT_CMD_STATE_ERROR);
  EXPECT_EQ(Run(kernel, buffer).wait(std::chrono::seconds(10)), ERT_CMD_STATE_COMPLETED);
}

TEST_F(XrtDriverTest, AbortsAKernelThatHangs) {
  Open("fault=hang@1", "tiny_kernel_test");
  xrt::bo buffer = MakeCopy();
  xrt::kernel kernel(device, uuid, "msq_kernel");
  xrt::run run = Run(kernel, buffer);
  EXPECT_EQ(run.wait(std::chrono::milliseconds(20)), ERT_CMD_STATE_TIMEOUT);
  EXPECT_EQ(run.abort(), ERT_CMD_STATE_ABORT);
  EXPECT_EQ(Run(kernel, buffer).wait(std::chrono::seconds(10)), ERT_CMD_STATE_COMPLETED);
  EXPECT_TRUE(IsCopied(buffer));
}

TEST_F(XrtDriverTest, IsProgrammedAnewOnlyWhenNotInUse) {
  Open();
  {
    const xrt::ip ip(device, uuid, "msq_kernel");
    const std::string other = kXclbins + "/tiny_kernel_test.xclbin";
    EXPECT_THAT(Refusal([&] { device.load_xclbin(other); }), HasSubstr("in use"));
    EXPECT_EQ(device.load_xclbin(kXclbins + "/tiny_test.xclbin"), uuid);
    EXPECT_THAT(Refusal([&] { xrt::ip(device, uuid, "msq_kernel"); }), HasSubstr("in use"));
  }
  Open("fault=wrong_id");
  xrt::ip ip(device, uuid, "msq_kernel");
  EXPECT_NE(ip.read_register(hw::kIdRegister), hw::kIdValue);
}

TEST_F(XrtDriverTest, RefusesWhatItCannotBe) {
  EXPECT_THAT(Configure("fault=none"), HasSubstr("fault \"none\""));
  ASSERT_EQ(setenv("MSQ_LIBRARY_DIR", "no/such/folder", 1), 0);
  const std::string refusal = Refusal([&] { Open(); });
  unsetenv("MSQ_LIBRARY_DIR");
  EXPECT_THAT(refusal, HasSubstr("there is no no/such/folder/libmsq_rtl_tiny.so"));
}

TEST_F(XrtDriverTest, HasAsManyDevicesAsAskedFor) {
  Open("devices=2,fault.1=wrong_id");
  xrt::device second(1);
  const auto second_uuid = second.load_xclbin(kXclbins + "/tiny_test.xclbin");
  xrt::ip ip(device, uuid, "msq_kernel"), second_ip(second, second_uuid, "msq_kernel");
  EXPECT_EQ(ip.read_register(hw::kIdRegister), hw::kIdValue);
  EXPECT_NE(second_ip.read_register(hw::kIdRegister), hw::kIdValue);
  EXPECT_THAT(Refusal([] { xrt::device third(2); }), HasSubstr("2"));
}

// In processes of their own, which load the driver as an unmodified program does: with LD_PRELOAD.
TEST(XrtDriverDeathTest, TakesOptionsFromTheEnvironment) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto open = [](const char* options) {
    setenv("MSQ_XRT_EMULATION", options, 1);
    dlopen(DefaultDriverPath().c_str(), RTLD_NOW | RTLD_GLOBAL);
    std::cerr << xrt::system::enumerate_devices() << " devices; " << Refusal([] { xrt::device device(0); }) << "\n";
    _exit(0);
  };
  EXPECT_EXIT(open("devices=3,fidelity=rtl"), ::testing::ExitedWithCode(0), "^3 devices; nothing was refused");
  EXPECT_EXIT(open("devices=many"), ::testing::ExitedWithCode(0), "XRT emulation: devices=many is not a number");
}

// Leaves while a program runs, and one hangs.
TEST(XrtDriverDeathTest, ExitsWhileBoardsRun) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto leave = [](const char* faults) {
    Configure(std::string("fidelity=rtl,") + faults);
    xrt::device device(0);
    const auto uuid = device.load_xclbin(kXclbins + "/tiny_test.xclbin");
    xrt::ip ip(device, uuid, "msq_kernel");
    ip.write_register(hw::kDramSizeLoRegister, 1);  // the program is outside of it, but the error is not looked at
    ip.write_register(hw::kCtrlRegister, hw::kCtrlApStart.mask());
    std::exit(0);
  };
  for (const char* faults : {"", "fault=hang@1", "fault=slow=100000"}) {
    EXPECT_EXIT(leave(faults), ::testing::ExitedWithCode(0), "");
  }
}

}  // namespace
}  // namespace msq::emulation
