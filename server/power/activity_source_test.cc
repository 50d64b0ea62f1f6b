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
  Sample(0);
  const PowerReading during = Sample(10);  // of a program, which is booked at its end
  device_.cycles = 1'000'000;
  device_.running = absl::Seconds(11);
  const PowerReading after = Sample(1), later = Sample(20);
  EXPECT_EQ(*after.joules, *during.joules);
  EXPECT_GT(*later.joules, *after.joules);
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
