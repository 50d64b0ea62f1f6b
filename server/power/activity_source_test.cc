#include "server/power/activity_source.h"

#include <gtest/gtest.h>

#include "backends/fpga/fpga_backend.h"
#include "base/status.h"

namespace msq::server {
namespace {

// A backend with one device, which reports what the test says.
class ReportedBackend final : public Backend {
 public:
  explicit ReportedBackend(const DeviceReport* device) : device_(*device) {}
  std::string_view name() const override { return "fpga"; }
  Capabilities capabilities() const override { return {}; }
  BackendReport Report() const override { return {.devices = {device_}}; }
  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph&, const PrepareOptions&) const override {
    return Unimplemented("nothing");
  }

 private:
  const DeviceReport& device_;
};

class ActivitySourceTest : public ::testing::Test {
 protected:
  ActivitySourceTest() {
    device_.name = "emulated-z020-0";
    device_.emulates = EmulatedPart{"xc7z020", 768, 1280};
    device_.clock_hz = 100e6;
    EXPECT_TRUE(backends_.Register(std::make_unique<ReportedBackend>(&device_)).ok());
  }
  // The one reading, `seconds` after the one before.
  PowerReading Sample(double seconds) {
    now_ += std::chrono::duration_cast<PowerSource::Time::duration>(std::chrono::duration<double>(seconds));
    const std::vector<PowerReading> readings = source_.Sample(now_);
    return readings.size() == 1 ? readings[0] : PowerReading();
  }

  // A program ends that took a million cycles, in which the whole array worked, and so long to simulate.
  void Work(absl::Duration simulated) {
    ++programs_;
    device_.cycles += 1'000'000;
    device_.dsp_busy_cycles += 1'000'000;
    device_.lut_busy_cycles += 1'000'000;
    device_.dram_bytes += 5'000'000;
    device_.running += simulated;
  }
  // Of one such: 10 ms at 1.6 W, 2048 products a cycle of 2 pJ each, 5 MB of 240 pJ each.
  static constexpr double kWorkJoules = 0.016 + 1e-12 * (1e6 * 2048 * 2 + 5e6 * 240);

  int programs_ = 0;
  DeviceReport device_;
  BackendRegistry backends_;
  ActivitySource source_{&backends_};
  PowerSource::Time now_ = PowerSource::Time() + std::chrono::hours(1);
};

TEST_F(ActivitySourceTest, IdlesAtTheStaticPower) {
  const PowerReading first = Sample(0), second = Sample(10);
  EXPECT_EQ(first.backend, "fpga");
  EXPECT_EQ(first.device, "emulated-z020-0");
  EXPECT_FALSE(first.watts);
  EXPECT_EQ(source_.name(), "model");
  const double watts = FindPowerCoefficients("xc7z020")->static_watts;
  EXPECT_NEAR(*second.joules - *first.joules, 10 * watts, 1e-6);
  EXPECT_NEAR(*second.idle_joules - *first.idle_joules, 10 * watts, 1e-6);
  EXPECT_NEAR(*second.watts, watts, 1e-6);
  EXPECT_EQ(*second.idle_watts, watts);
}

TEST_F(ActivitySourceTest, WorkTakesEnergyByWhatWasDone) {
  const PowerReading first = Sample(0);
  device_.cycles = 50'000'000;  // half a second, in which the whole array works
  device_.dsp_busy_cycles = device_.lut_busy_cycles = 50'000'000;
  device_.dram_bytes = 1'000'000;
  device_.running = absl::Milliseconds(500);
  const PowerReading second = Sample(1);
  const PowerCoefficients& c = *FindPowerCoefficients("xc7z020");
  const double dynamic = 1e-12 * (50e6 * (768 * c.dsp_product_picojoules + 1280 * c.lut_product_picojoules) +
                                  1e6 * c.dram_byte_picojoules);
  EXPECT_NEAR(*second.joules - *first.joules, c.static_watts + dynamic, 1e-6);
  EXPECT_NEAR(*second.idle_joules - *first.idle_joules, c.static_watts, 1e-6);
  EXPECT_NEAR(*second.watts, c.static_watts + dynamic, 1e-6);
}

TEST_F(ActivitySourceTest, TheTimeOfAProgramIsThePartsNotTheSimulations) {
  const PowerReading first = Sample(0);
  device_.cycles = 10'000'000;  // 0.1 s on the part
  device_.running = absl::Seconds(8);
  const PowerReading second = Sample(10);
  EXPECT_NEAR(*second.idle_joules - *first.idle_joules, 2.1 * FindPowerCoefficients("xc7z020")->static_watts, 1e-6);
}

TEST_F(ActivitySourceTest, ALongProgramNeverTakesEnergyBack) {
  const PowerReading before = Sample(0);
  device_.running_since = now_;
  const PowerReading during = Sample(10);
  EXPECT_EQ(*during.joules, *before.joules);  // how long that is on the part nobody knows yet
  EXPECT_EQ(*during.idle_joules, *before.idle_joules);
  Work(absl::Seconds(11));
  device_.running_since.reset();
  const PowerReading after = Sample(1), later = Sample(20);
  EXPECT_NEAR(*after.joules - *during.joules, kWorkJoules, 1e-9);
  EXPECT_NEAR(*after.watts, kWorkJoules / 0.01, 1e-6);
  EXPECT_NEAR(*later.joules - *after.joules, 20 * 1.6, 1e-6);
}

// The source looks at the clock before it asks the device.
TEST_F(ActivitySourceTest, AProgramThatTheClockHasNotSeenYetIsNotLost) {
  const PowerReading first = Sample(0);
  Work(absl::Seconds(3));  // of which one second has passed at the look
  const PowerReading early = Sample(1);
  EXPECT_GT(*early.joules, *first.joules);
  EXPECT_EQ(*early.idle_joules, *first.idle_joules);
  EXPECT_FALSE(early.watts);  // in no time
  const PowerReading late = Sample(2);
  EXPECT_NEAR(*late.joules - *first.joules, kWorkJoules, 1e-9);
  EXPECT_NEAR(*late.watts, kWorkJoules / 0.01, 1e-6);
}

TEST_F(ActivitySourceTest, ProgramsThatTakeManySamplesToSimulate) {
  const PowerReading first = Sample(0);
  const PowerSource::Time start = now_;
  PowerReading last = first;
  for (int second = 1; second <= 44; ++second) {  // a program every 5.5 s, one after the other
    const int ended = second * 2 / 11;
    while (programs_ < ended) Work(absl::Milliseconds(5500));
    device_.running_since = start + std::chrono::milliseconds(5500 * ended);
    const PowerReading reading = Sample(1);
    EXPECT_GE(*reading.joules, *last.joules);
    if (ended > 0) {
      EXPECT_NEAR(*reading.watts, kWorkJoules / 0.01, 1e-6) << second;
    }
    last = reading;
  }
  EXPECT_EQ(programs_, 8);
  EXPECT_NEAR(*last.joules - *first.joules, 8 * kWorkJoules, 1e-6);
  EXPECT_NEAR(*last.idle_joules - *first.idle_joules, 8 * 0.016, 1e-6);
}

TEST_F(ActivitySourceTest, NothingOfBoardsOfUnknownPartsAndOfDevicesInQuarantine) {
  const PowerReading first = Sample(0);
  device_.ready = false;
  EXPECT_FALSE(Sample(5).joules);
  device_.ready = true;
  EXPECT_NEAR(*Sample(5).joules, *first.joules, 1e-9);  // nothing for the time between
  device_.emulates->name = "xc7z100";
  EXPECT_FALSE(Sample(1).joules);
  device_.emulates.reset();
  EXPECT_FALSE(Sample(1).joules);
}

TEST(PowerCoefficientsTest, EveryConfigurationHasThem) {
  for (const hw::Configuration& configuration : hw::kConfigurations) {
    EXPECT_NE(FindPowerCoefficients(configuration.part), nullptr) << configuration.name;
  }
}

}  // namespace
}  // namespace msq::server
