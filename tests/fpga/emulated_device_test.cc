// The emulated device, and specifications of devices, with the transaction model behind them.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/device_spec.h"
#include "backends/fpga/emulated_device.h"
#include "backends/testing/synthetic_networks.h"
#include "base/status.h"
#include "hw/regs/registers.h"

namespace msq::fpga {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Device> Open(const std::string& spec) {
  auto parsed = ParseDeviceSpec(spec, 0);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return *parsed->device.open();
}

TEST(EmulatedDeviceTest, BuffersHaveTwoSides) {
  const auto device = Open("emulated,configuration=tiny,memory-mb=1");
  auto buffer = device->Allocate(5000);
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  EXPECT_EQ((*buffer)->address() % 4096, 0u);
  const std::span<std::byte> host = (*buffer)->host_bytes();
  ASSERT_EQ(host.size(), 5000u);
  std::fill(host.begin(), host.end(), std::byte{7});
  ASSERT_TRUE((*buffer)->Upload(100, 200).ok());
  std::fill(host.begin(), host.end(), std::byte{1});
  ASSERT_TRUE((*buffer)->Download(0, 5000).ok());
  EXPECT_EQ(std::count(host.begin(), host.end(), std::byte{7}), 200);  // the rest was never uploaded
  EXPECT_EQ(host[100], std::byte{7});
}

TEST(EmulatedDeviceTest, TellsClockAndMemory) {
  const auto device = Open("emulated,configuration=tiny,memory-mb=1,clock-mhz=150");
  EXPECT_EQ(device->clock_hz(), 150e6);
  EXPECT_EQ(device->memory().bytes, 1 << 20);
  EXPECT_EQ(device->memory().used_bytes, 0);
  const auto buffer = device->Allocate(5000);
  EXPECT_EQ(device->memory().used_bytes, 8192);
  EXPECT_EQ(device->ReadPowerWatts(), std::nullopt);  // it is no board
}

TEST(EmulatedDeviceTest, MemoryIsGivenBack) {
  const auto device = Open("emulated,configuration=tiny,memory-mb=1");
  for (int i = 0; i < 3; ++i) {
    const auto all = device->Allocate(1 << 20);
    ASSERT_TRUE(all.ok()) << all.status();
    const auto more = device->Allocate(1);
    EXPECT_EQ(more.status(), absl::ResourceExhaustedError("emulated-tiny-0: no room for 1 bytes beside others; 0 of "
                                                          "1048576 bytes are free"));
  }
}

// As a driver does, but without a program: it ends with an error unless it hangs.
void Start(Device* device) {
  ASSERT_TRUE(device->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask()).ok());
}

TEST(EmulatedDeviceTest, AProgramThatEndsBadlyHasEnded) {
  const auto device = Open("emulated,configuration=tiny");
  Start(device.get());  // no interrupt is enabled
  ASSERT_TRUE(device->WaitUntilEnded(absl::Seconds(20), absl::ZeroDuration()).ok());
  EXPECT_NE(hw::kStatusError.Of(*device->ReadRegister(hw::kStatusRegister)), 0u);
}

TEST(EmulatedDeviceTest, AProgramThatDoesNotEndIsGivenUp) {
  const auto device = Open("emulated,configuration=tiny,faults=hang@1");
  Start(device.get());
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(device->WaitUntilEnded(absl::Milliseconds(50), absl::ZeroDuration())));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

// A machine for whose programs there is no memory.
class MachineWithoutMemory final : public hw::Machine {
 public:
  uint32_t ReadRegister(uint32_t) override { return 0; }
  void WriteRegister(uint32_t, uint32_t) override { throw std::bad_alloc(); }
  bool interrupt() const override { return false; }
  uint64_t Advance(uint64_t cycles) override { return cycles; }
  uint64_t cycle() const override { return 0; }
  const hw::Completions& completed() const override { return completed_; }
  uint64_t dram_base() const override { return 0; }
  std::span<std::byte> dram() override { return dram_; }
  void InjectErrors(uint64_t, uint64_t) override {}
  void ClearErrors() override {}

 private:
  hw::Completions completed_;
  std::vector<std::byte> dram_ = std::vector<std::byte>(1 << 20);
};

TEST(EmulatedDeviceTest, WithoutMemoryForAProgramItFailsAlone) {
  const auto device = CreateEmulatedDevice(std::make_unique<MachineWithoutMemory>(), {.name = "this one"});
  Start(device.get());
  const absl::Status status = device->WaitUntilEnded(absl::Seconds(20), absl::ZeroDuration());
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(), "this one: no memory to emulate a program");
}

TEST(EmulatedDeviceTest, TheHostWorksBesideAProgram) {
  const auto device = Open("emulated,configuration=tiny,faults=hang@1");
  auto buffer = device->Allocate(4096);
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  Start(device.get());
  EXPECT_TRUE((*buffer)->Upload(0, 4096).ok());
  EXPECT_TRUE(device->Allocate(4096).ok());
  EXPECT_EQ(*device->ReadRegister(hw::kIdRegister), hw::kIdValue);
  EXPECT_TRUE(absl::IsDeadlineExceeded(device->WaitUntilEnded(absl::ZeroDuration(), absl::ZeroDuration())));
}

// Time of three pictures, and the cycles that the device says they took.
std::pair<absl::Duration, int64_t> TimeOfRun(const std::string& spec) {
  auto cpu = *cpu::CreateCpuBackend();
  auto parsed = ParseDeviceSpec(spec, 0);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  FpgaBackendOptions options;
  options.configuration = parsed->configuration;
  options.devices = {parsed->device};
  auto backend = CreateFpgaBackend(options, cpu.get());
  EXPECT_TRUE(backend.ok()) << backend.status();
  const ir::Graph graph = testing::ResNetCifar(1);
  const auto executable = *(*backend)->Prepare(graph, {}), on_cpu = *cpu->Prepare(graph, {});
  constexpr int64_t kBatch = 3;
  std::vector<std::byte> in(static_cast<size_t>(kBatch * executable->inputs()[0].type.ByteSize()), std::byte{99});
  const auto out_bytes = static_cast<size_t>(kBatch * executable->outputs()[0].type.ByteSize());
  std::vector<std::byte> out(out_bytes), expected(out_bytes);
  const ConstTensorView input{ElementType::kCode, kBatch, in};
  const TensorView output{ElementType::kAccumulator, kBatch, out}, want{ElementType::kAccumulator, kBatch, expected};
  RunContext context;
  EXPECT_TRUE(executable->Run({&input, 1}, {&output, 1}, context).ok());  // what is done once, too
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(executable->Run({&input, 1}, {&output, 1}, context).ok());
  const absl::Duration took = absl::Now() - begin;
  RunContext check;
  EXPECT_TRUE(on_cpu->Run({&input, 1}, {&want, 1}, check).ok());
  EXPECT_EQ(out, expected);
  return {took, *context.statistics.cycles / 2};
}

TEST(EmulatedDeviceTest, PacedItTakesABoardsTime) {
  const auto [took, cycles] = TimeOfRun("emulated,configuration=z020,clock-mhz=1,paced=true");
  EXPECT_GT(cycles, 20'000);
  EXPECT_GE(took, absl::Microseconds(cycles));
}

TEST(EmulatedDeviceTest, UnpacedItIsNotHeldUp) {
  const auto [took, cycles] = TimeOfRun("emulated,configuration=z020,clock-mhz=0.1");
  EXPECT_LT(took, absl::Microseconds(10 * cycles));
}

TEST(DeviceSpecTest, SaysWhatIsWrong) {
  const auto error = [](const char* text) { return std::string(ParseDeviceSpec(text, 0).status().message()); };
  EXPECT_EQ(error("board"), "device 'board': is neither 'emulated' nor 'xrt'");
  EXPECT_EQ(error("emulated,driver=emu:"), "device 'emulated,driver=emu:': driver: is an option of 'xrt' alone");
  EXPECT_THAT(error("xrt,xclbin=a,index=0.5"), HasSubstr("index: '0.5' is no whole number in 0..15"));
  EXPECT_THAT(error("emulated,configuration=zzz"),
              HasSubstr("device 'emulated,configuration=zzz': configuration: there is no 'zzz'; there are: tiny, z020, "
                        "z045, paper_z020, paper_z045"));
  EXPECT_THAT(error("emulated,clock-mhz=fast"), HasSubstr("clock-mhz: 'fast' is no number in 0.1..10000"));
  EXPECT_THAT(error("emulated,paced=1"), HasSubstr("paced: '1' is neither true nor false"));
  EXPECT_THAT(error("emulated,speed=3"),
              HasSubstr("there is no option 'speed'; there are: backend, clock-mhz, configuration, "));
  EXPECT_THAT(error("emulated,backend="), HasSubstr("backend: is empty"));
  EXPECT_THAT(error("xrt"), HasSubstr("an xrt device needs the file that describes its design"));
  EXPECT_THAT(error("xrt,paced=true"), HasSubstr("there is no option 'paced'; there are: backend, configuration, "));
  EXPECT_THAT(error("emulated,fidelity=exact"), HasSubstr("fidelity \"exact\" is neither model nor rtl"));
  EXPECT_THAT(error("emulated,faults=fire"), HasSubstr("fault \"fire\" is not one of hang@N, "));
}

TEST(DeviceSpecTest, Defaults) {
  const auto spec = ParseDeviceSpec("emulated", 3);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->backend, "fpga");
  EXPECT_EQ(spec->configuration.name, "z020");
  EXPECT_EQ(spec->device.name, "emulated-z020-3");
  EXPECT_TRUE(spec->device.emulated);
}

TEST(DeviceSpecTest, BoardsAndTheirEmulationAreToldApart) {
  EXPECT_FALSE(ParseDeviceSpec("xrt,xclbin=a", 0)->device.emulated);
  EXPECT_TRUE(ParseDeviceSpec("xrt,xclbin=a,driver=emu:", 0)->device.emulated);
}

}  // namespace
}  // namespace msq::fpga
