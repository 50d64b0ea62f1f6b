// The device edge through the real XRT library: networks, and everything that can go wrong with a board.
#include "backends/fpga/xrt_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/time/clock.h"
#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/check_network.h"
#include "backends/fpga/testing/run_program.h"
#include "backends/testing/graph_builder.h"
#include "base/status.h"
#include "hw/regs/registers.h"
#include "model/testing/sample_model.h"
#include "tests/xrt/run_on_device.h"

namespace msq::fpga {
namespace {

using msq::testing::DeviceProgram;
using ::testing::HasSubstr;
using testing::Named;
using testing::RandomInputs;

const std::string kXclbin = MSQ_XCLBIN_DIR "/tiny_test.xclbin";

absl::StatusOr<std::unique_ptr<Device>> Open(const std::string& options = "", int index = 0,
                                             const std::string& xclbin = kXclbin) {
  return OpenXrtDevice({.driver = "emu:," + options, .index = index, .xclbin = xclbin});
}

// A convolution, quick to simulate.
ir::Graph SmallNetwork() {
  msq::testing::GraphBuilder b("small");
  const ir::TensorId in = b.Input({16, 6, 6}, {8, 0});
  msq::testing::Layer layer;
  layer.window.kernel = {3, 3};
  layer.window.pads = {1, 1, 1, 1};
  layer.scale = 0.05;
  const ir::TensorId out = b.Conv({in}, 24, layer);
  return std::move(b).Finish({out});
}

// At both fidelities.
class XrtDeviceTest : public ::testing::TestWithParam<const char*> {
 protected:
  static absl::StatusOr<std::unique_ptr<Device>> OpenAs(const std::string& options, int index = 0) {
    return Open(std::string("fidelity=") + GetParam() + "," + options, index);
  }
  void Make(const std::string& options, int index = 0) {
    auto opened = OpenAs(options, index);
    ASSERT_TRUE(opened.ok()) << opened.status();
    device = *std::move(opened);
  }

  uint32_t Read(uint32_t address) {
    const auto value = device->ReadRegister(address);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or(0);
  }

  const ir::Graph graph = SmallNetwork();
  const Program program = *Lower(graph, Named("tiny"));
  const std::vector<reference::Values> inputs = RandomInputs(graph, 7);
  const std::vector<reference::Values> expected = *reference::Run(graph, inputs);
  std::unique_ptr<Device> device;
};

TEST_P(XrtDeviceTest, ShowsItsRegisters) {
  Make("");
  EXPECT_EQ(device->name(), "xrt 0");
  EXPECT_EQ(Read(hw::kIdRegister), hw::kIdValue);
  EXPECT_EQ(Read(hw::kBuildIdRegister), Named("tiny").build_id);
  EXPECT_EQ(hw::kConfigMemoryBanks.Of(Read(hw::kConfigMemoryRegister)), 3u);
  EXPECT_TRUE(device->WriteRegister(hw::kWatchdogRegister, 77).ok());
  EXPECT_EQ(Read(hw::kWatchdogRegister), 77u);
  EXPECT_EQ(device->ReadRegister(1 << 20).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(device->WriteRegister(1 << 20, 0)), HasSubstr("xrt 0: register write: "));
}

TEST_P(XrtDeviceTest, HasBuffersWithTwoViews) {
  Make("");
  auto first = device->Allocate(5000), second = device->Allocate(1);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->address() % 4096, 0u);
  EXPECT_EQ((*second)->address(), (*first)->address() + 8192);
  const auto bytes = (*first)->host_bytes();
  ASSERT_EQ(bytes.size(), 5000u);
  bytes[10] = bytes[4999] = std::byte{42};
  EXPECT_TRUE((*first)->Upload(4000, 1000).ok());
  bytes[10] = bytes[4999] = std::byte{1};
  EXPECT_TRUE((*first)->Download(0, 5000).ok());
  EXPECT_EQ(bytes[10], std::byte{0});  // was never uploaded
  EXPECT_EQ(bytes[4999], std::byte{42});
  EXPECT_TRUE((*first)->Upload(5000, 0).ok());
  EXPECT_EQ((*first)->Upload(8000, 1000).code(), absl::StatusCode::kUnavailable);
}

TEST_P(XrtDeviceTest, TellsWhatXrtTells) {
  Make("");
  EXPECT_EQ(device->clock_hz(), 100e6);               // of the design
  EXPECT_EQ(device->ReadPowerWatts(), std::nullopt);  // Zynq's driver has no answer to that
  EXPECT_EQ(device->memory().bytes, std::nullopt);
  const auto used = [this] { return device->memory().used_bytes.value_or(-1); };
  const int64_t before = used();
  auto buffer = device->Allocate(5000);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(used() - before, 8192);  // whole pages
  buffer->reset();
  EXPECT_EQ(used(), before);
}

TEST_P(XrtDeviceTest, RunsOutOfMemory) {
  Make("");
  std::vector<std::unique_ptr<DeviceBuffer>> buffers;
  absl::Status status;
  while (status.ok()) {
    auto buffer = device->Allocate(1 << 20);
    status = buffer.status();
    if (status.ok()) buffers.push_back(*std::move(buffer));
  }
  EXPECT_EQ(buffers.size(), 8u);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("xrt 0: buffer of 1048576 bytes"));
  buffers.pop_back();
  EXPECT_TRUE(device->Allocate(1 << 20).ok());
}

TEST_P(XrtDeviceTest, RunsNetworks) {
  Make("");
  for (const ir::Graph& network : {SmallNetwork(), msq::testing::SampleModel().graph}) {
    const auto lowered = Lower(network, Named("tiny"));
    ASSERT_TRUE(lowered.ok()) << lowered.status();
    auto loaded = DeviceProgram::Load(*lowered, device.get());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      const auto in = RandomInputs(network, seed);
      const auto out = loaded->Run(in);
      ASSERT_TRUE(out.ok()) << out.status();
      EXPECT_EQ(*out, *reference::Run(network, in));
      EXPECT_EQ(*out, *RunProgram(*lowered, in));
    }
  }
}

TEST_P(XrtDeviceTest, DoesNotSeeWhatWasNotUploaded) {
  Make("memory=ideal");
  auto loaded = DeviceProgram::Load(program, device.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(loaded->Start(inputs, false).ok());
  EXPECT_NE(*loaded->Finish(), expected);
  EXPECT_EQ(*loaded->Run(inputs), expected);
}

TEST_P(XrtDeviceTest, ReturnsAtTheDeadlineOfAHang) {
  Make("fault=hang@2");
  auto loaded = DeviceProgram::Load(program, device.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded->Run(inputs), expected);
  ASSERT_TRUE(loaded->Start(inputs).ok());
  const absl::Time start = absl::Now();
  const absl::Status status = loaded->Finish(absl::Milliseconds(50)).status();
  const absl::Duration took = absl::Now() - start;
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(status), HasSubstr("the program has not ended"));
  EXPECT_GE(took, absl::Milliseconds(50));
  EXPECT_LT(took, absl::Seconds(1));
  // A deadline that has passed is one, too, and so is one within the time that is expected.
  EXPECT_EQ(device->WaitUntilEnded(absl::ZeroDuration(), absl::Hours(1)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*loaded->Run(inputs), expected);
}

TEST_P(XrtDeviceTest, ShowsABusErrorInItsStatus) {
  Make("fault=slverr@1");
  auto loaded = DeviceProgram::Load(program, device.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(Message(loaded->Run(inputs).status()), "axi_error");
  EXPECT_EQ(*loaded->Run(inputs), expected);
}

TEST_P(XrtDeviceTest, CorruptsSilently) {
  Make("fault=flip@2");
  auto loaded = DeviceProgram::Load(program, device.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded->Run(inputs), expected);
  EXPECT_NE(*loaded->Run(inputs), expected);
  EXPECT_EQ(*loaded->Run(inputs), expected);
}

TEST_P(XrtDeviceTest, IsAnotherDesign) {
  Make("fault=wrong_id");
  EXPECT_NE(Read(hw::kIdRegister), hw::kIdValue);
  device.reset();
  Make("fault=wrong_build_id");
  EXPECT_NE(Read(hw::kBuildIdRegister), Named("tiny").build_id);
}

TEST_P(XrtDeviceTest, IsOneOfSeveral) {
  Make("devices=2,fault.0=flip@1+");
  auto second = OpenAs("devices=2,fault.0=flip@1+", 1);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->name(), "xrt 1");
  int wrong = 0, right = 0;
  const auto run = [this](Device* on, bool good, int* count) {
    auto loaded = DeviceProgram::Load(program, on);
    for (int i = 0; i < 3 && loaded.ok(); ++i) {
      const auto out = loaded->Run(inputs);
      *count += out.ok() && (*out == expected) == good;
    }
  };
  std::thread other(run, second->get(), true, &right);
  run(device.get(), false, &wrong);
  other.join();
  EXPECT_EQ(wrong, 3);
  EXPECT_EQ(right, 3);
}

TEST_P(XrtDeviceTest, IsSharedByThoseWhoOpenIt) {
  Make("");
  EXPECT_TRUE(device->WriteRegister(hw::kWatchdogRegister, 77).ok());
  // As a board that hangs is opened again while something still holds it.
  auto again = OpenAs("");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*(*again)->ReadRegister(hw::kWatchdogRegister), 77u);
  const auto other = Open("", 0, MSQ_XCLBIN_DIR "/tiny.xclbin");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(other.status()), HasSubstr("xrt 0 is open with another .xclbin"));
  again->reset();
  for (int i = 0; i < 5; ++i) {
    device.reset();
    Make("");
    EXPECT_NE(Read(hw::kWatchdogRegister), 77u);  // nobody had it, so it was reset
  }
}

INSTANTIATE_TEST_SUITE_P(Fidelities, XrtDeviceTest, ::testing::Values("model", "rtl"),
                         [](const auto& info) { return std::string(info.param); });

TEST(XrtDeviceOpenTest, NamesWhatItCannotOpen) {
  const auto absent = Open("devices=2", 2);
  EXPECT_EQ(absent.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(absent.status()), HasSubstr("xrt 2: opening the board: "));

  const auto misspelt = Open("fault=melt@1");
  EXPECT_EQ(misspelt.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(misspelt.status()), HasSubstr("fault \"melt@1\" is not one of"));

  const auto other = OpenXrtDevice({.driver = "", .index = 0, .xclbin = kXclbin});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(other.status()), HasSubstr("XRT has its driver for this process already"));

  const auto no_module = Open("fidelity=rtl,configuration=paper_z045");
  EXPECT_TRUE(no_module.ok() || Message(no_module.status()).find("msq_rtl_paper_z045") != std::string_view::npos)
      << no_module.status();
}

TEST(XrtDeviceOpenTest, NamesABadXclbin) {
  const std::string path = ::testing::TempDir() + "/bad.xclbin";
  std::ostringstream good;
  good << std::ifstream(kXclbin, std::ios::binary).rdbuf();
  ASSERT_GT(good.str().size(), 1000u);
  const auto open = [&path](const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    return Open("", 0, path).status();
  };
  EXPECT_EQ(open("").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(open(good.str().substr(0, 900)).code(), absl::StatusCode::kDataLoss);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good.str();
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos);
    return open(changed.replace(at, from.size(), to));
  };
  const absl::Status unknown = with("project name=\"tiny\"", "project name=\"tinz\"");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(unknown), HasSubstr("configuration \"tinz\", unknown here"));
  const absl::Status foreign = with("msq_kernel:msq_kernel_1", "the_kernel:the_kernel_1");
  EXPECT_EQ(foreign.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(foreign), HasSubstr(path + " has no msq_kernel:"));
  std::filesystem::remove(path);
  EXPECT_EQ(Open("", 0, path).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace msq::fpga
