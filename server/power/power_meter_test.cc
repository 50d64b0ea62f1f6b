#include "server/power/power_meter.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "base/status.h"
#include "server/power/power_metrics.h"
#include "server/power/power_sources.h"
#include "server/testing/fake_sysfs.h"

namespace msq::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Tells what the test wants told.
class PuppetSource final : public PowerSource {
 public:
  PuppetSource(std::string name, const std::vector<PowerReading>* readings)
      : name_(std::move(name)), readings_(*readings) {}
  std::string_view name() const override { return name_; }
  std::vector<PowerReading> Sample(Time /*now*/) override { return readings_; }

 private:
  const std::string name_;
  const std::vector<PowerReading>& readings_;
};

class PowerMeterTest : public ::testing::Test {
 protected:
  PowerMeterTest() {
    readings_ = {{.backend = "cpu", .device = "package-0", .rail = "package", .joules = 0}};
    std::vector<std::unique_ptr<PowerSource>> sources;
    sources.push_back(std::make_unique<PuppetSource>("rapl", &readings_));
    meter_ = std::make_unique<PowerMeter>(std::move(sources), &ledger_, now_);
  }

  static PowerMeter::Time After(PowerMeter::Time time, double seconds) {
    return time + std::chrono::duration_cast<PowerMeter::Time::duration>(std::chrono::duration<double>(seconds));
  }
  // Samples `seconds` later, when the counter is `joules` further on.
  void Pass(double seconds, double joules) {
    now_ = After(now_, seconds);
    *readings_[0].joules += joules;
    meter_->Sample(now_);
  }
  // A batch that began `from` seconds from now and took `seconds`.
  void Compute(ComputeLedger::Account* account, double from, double seconds) {
    ledger_.Begin(account, After(now_, from));
    ledger_.End(account, After(now_, from + seconds));
  }
  PowerMeter::Rail Rail() { return meter_->report().rails.at(0); }
  PowerMeter::Share ShareOf(const std::string& model) {
    for (const PowerMeter::Share& share : meter_->report().shares) {
      if (share.model == model) return share;
    }
    ADD_FAILURE() << "no share of " << model;
    return {};
  }

  PowerMeter::Time now_ = PowerMeter::Time() + std::chrono::hours(5);
  ComputeLedger ledger_;
  std::vector<PowerReading> readings_;
  std::unique_ptr<PowerMeter> meter_;
};

TEST_F(PowerMeterTest, EnergyPowerAndInterval) {
  EXPECT_EQ(Rail().joules, 0);
  EXPECT_FALSE(Rail().watts);
  EXPECT_FALSE(Rail().interval_seconds);
  Pass(2, 30);
  EXPECT_EQ(Rail().backend, "cpu");
  EXPECT_EQ(Rail().device, "package-0");
  EXPECT_EQ(Rail().rail, "package");
  EXPECT_EQ(Rail().source, "rapl");
  EXPECT_DOUBLE_EQ(Rail().joules, 30);
  EXPECT_DOUBLE_EQ(*Rail().watts, 15);
  EXPECT_DOUBLE_EQ(*Rail().interval_seconds, 2);
}

TEST_F(PowerMeterTest, PowerIsIntegratedByTrapezoids) {
  readings_ = {{.backend = "fpga", .device = "ina226", .watts = 2}};
  const auto pass = [&](double seconds, double watts) {
    readings_[0].watts = watts;
    meter_->Sample(now_ = After(now_, seconds));
  };
  pass(1, 2);
  EXPECT_EQ(Rail().joules, 0);
  EXPECT_EQ(*Rail().watts, 2);
  pass(2, 4);
  EXPECT_DOUBLE_EQ(Rail().joules, 6);
  EXPECT_EQ(*Rail().watts, 4);
  pass(3600, 4);  // the machine slept
  EXPECT_DOUBLE_EQ(Rail().joules, 6);
  EXPECT_DOUBLE_EQ(*Rail().idle_watts, 3);
}

TEST_F(PowerMeterTest, IdlingIsWhatIntervalsWithoutWorkTake) {
  EXPECT_FALSE(Rail().active_joules);
  Pass(0.5, 5);
  EXPECT_FALSE(Rail().idle_watts);  // too short to tell
  Pass(1.5, 15);
  EXPECT_DOUBLE_EQ(*Rail().idle_watts, 10);
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 0);
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 1);
  Pass(1, 25);
  EXPECT_DOUBLE_EQ(*Rail().idle_watts, 10);  // that was no idling
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 15);
  Pass(1, 10.5);  // noise of an idle machine is no work
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 15);
  Pass(60, 1200);
  EXPECT_NEAR(*Rail().idle_watts, 20, 1e-9);  // only the last minute matters
}

TEST_F(PowerMeterTest, WorkOfAnotherBackendIsNeitherIdlingNorThisOnesWork) {
  Pass(2, 20);
  Compute(ledger_.Open("m", "1", "fpga"), 0, 1);  // an emulated accelerator takes the processor's energy
  Pass(1, 30);
  EXPECT_DOUBLE_EQ(*Rail().idle_watts, 10);
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 0);
  EXPECT_DOUBLE_EQ(Rail().joules, 50);
  EXPECT_TRUE(meter_->report().shares.empty());  // nothing measures the backend that worked
}

TEST_F(PowerMeterTest, ModelsShareByTheTimeOfTheirBatches) {
  ComputeLedger::Account* one = ledger_.Open("one", "1", "cpu");
  ComputeLedger::Account* two = ledger_.Open("two", "7", "cpu");
  Pass(2, 20);
  Compute(one, 0, 0.75);
  Compute(two, 0, 0.25);  // beside it
  Pass(1, 18);            // 8 beyond idling; it idled for a quarter
  EXPECT_DOUBLE_EQ(*ShareOf("one").active_joules, 6);
  EXPECT_DOUBLE_EQ(*ShareOf("two").active_joules, 2);
  EXPECT_DOUBLE_EQ(ShareOf("one").joules, 0.75 * (8 + 7.5));
  EXPECT_DOUBLE_EQ(ShareOf("two").joules, 0.25 * (8 + 7.5));
  EXPECT_EQ(ShareOf("two").version, "7");
  EXPECT_EQ(ShareOf("two").backend, "cpu");
  EXPECT_EQ(ShareOf("two").source, "rapl");
  Pass(1, 10);
  EXPECT_DOUBLE_EQ(ShareOf("one").joules, 0.75 * (8 + 7.5));  // idling is nobody's
}

TEST_F(PowerMeterTest, ABatchCountsWhileItRuns) {
  Pass(2, 20);
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  ledger_.Begin(account, After(now_, 0.5));
  Pass(1, 20);
  EXPECT_DOUBLE_EQ(*ShareOf("m").active_joules, 10);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10 + 5);
  Pass(1, 20);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10 + 5 + 20);
  ledger_.End(account, now_);
  Pass(1, 10);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10 + 5 + 20);
}

TEST_F(PowerMeterTest, WithoutIdlingKnownOnlyTheTimeOfWorkIsShared) {
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 0.5);
  Pass(1, 20);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10);
  EXPECT_FALSE(ShareOf("m").active_joules);
  EXPECT_FALSE(Rail().active_joules);
}

TEST_F(PowerMeterTest, SharesGoWithTheirModelAndItsSuccessorBeginsAnew) {
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 1);
  Pass(1, 20);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 20);
  ledger_.Close(account);
  Pass(1, 10);
  EXPECT_TRUE(meter_->report().shares.empty());
  ledger_.Open("m", "1", "cpu");
  Pass(1, 10);
  EXPECT_EQ(ShareOf("m").joules, 0);
}

TEST_F(PowerMeterTest, WhatAModelTookThatIsGoneIsNotItsNeighbours) {
  ComputeLedger::Account* gone = ledger_.Open("gone", "1", "cpu");
  ComputeLedger::Account* stays = ledger_.Open("stays", "1", "cpu");
  Pass(2, 20);
  Compute(gone, 0, 0.75);
  Compute(stays, 0, 0.25);
  ledger_.Close(gone);
  ComputeLedger::Account* brief = ledger_.Open("brief", "1", "cpu");  // that no sample sees
  Compute(brief, 0, 1);
  ledger_.Close(brief);
  Pass(1, 26);  // 16 beyond idling
  EXPECT_DOUBLE_EQ(*ShareOf("stays").active_joules, 16 * 0.25 / 2);
  EXPECT_EQ(meter_->report().shares.size(), 1u);
}

TEST_F(PowerMeterTest, APartOfABackendsRailsIsSharedByNobody) {
  readings_.push_back({.backend = "cpu", .device = "package-1", .rail = "package", .joules = 0});
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 1);
  Pass(1, 7);  // what the second one took is not known
  EXPECT_EQ(ShareOf("m").joules, 0);
  Compute(account, 0, 1);
  *readings_[1].joules += 3;
  Pass(1, 7);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10);
  const PowerReading second = readings_[1];
  readings_.pop_back();
  Compute(account, 0, 1);
  Pass(1, 7);
  EXPECT_TRUE(meter_->report().shares.empty());
  readings_.push_back(second);
  Compute(account, 0, 1);
  Pass(1, 7);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10);
  Compute(account, 0, 1);
  *readings_[1].joules += 3;
  Pass(1, 7);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 20);
}

TEST_F(PowerMeterTest, ARailThatVanishesHasNoSeriesAndLosesTheGap) {
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 1);
  Pass(1, 20);
  const std::vector<PowerReading> there = readings_;
  readings_.clear();
  meter_->Sample(now_ = After(now_, 1));
  EXPECT_TRUE(meter_->report().rails.empty());
  EXPECT_TRUE(meter_->report().shares.empty());
  ASSERT_EQ(meter_->report().absent.size(), 1u);
  EXPECT_DOUBLE_EQ(meter_->report().absent[0].joules, 20);  // until then
  EXPECT_FALSE(meter_->report().absent[0].watts);
  readings_ = there;
  Pass(1, 1000);  // meanwhile
  EXPECT_TRUE(meter_->report().absent.empty());
  EXPECT_DOUBLE_EQ(Rail().joules, 20);
  EXPECT_FALSE(Rail().interval_seconds);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 20);
  Pass(1, 5);
  EXPECT_DOUBLE_EQ(Rail().joules, 25);
}

TEST_F(PowerMeterTest, AGapIsNeitherIdlingNorWork) {
  readings_[0].idle_joules = 0;
  readings_[0].idle_watts = 4;
  Pass(1, 4);
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  const std::vector<PowerReading> there = readings_;
  readings_.clear();
  meter_->Sample(now_ = After(now_, 1));
  readings_ = there;
  Compute(account, 0, 1);
  *readings_[0].idle_joules += 40;
  Pass(1, 1000);
  EXPECT_DOUBLE_EQ(Rail().joules, 4);
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 0);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 0);
}

TEST_F(PowerMeterTest, WhatASourceKnowsOfIdlingHolds) {
  readings_[0].idle_joules = 0;
  readings_[0].idle_watts = 4;
  Pass(1, 10);
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  Compute(account, 0, 1);
  *readings_[0].idle_joules += 3;  // by its own time
  Pass(1, 10);
  EXPECT_EQ(*Rail().idle_watts, 4);
  EXPECT_DOUBLE_EQ(*Rail().active_joules, 7);
  EXPECT_DOUBLE_EQ(ShareOf("m").joules, 10);
}

TEST_F(PowerMeterTest, SamplesByItselfWhileOthersWork) {
  readings_[0].joules.reset();
  readings_[0].watts = 5;
  std::vector<std::unique_ptr<PowerSource>> sources;
  sources.push_back(std::make_unique<PuppetSource>("hwmon", &readings_));
  PowerMeter meter(std::move(sources), &ledger_);
  meter.Start(absl::Milliseconds(1));
  ComputeLedger::Account* account = ledger_.Open("m", "1", "cpu");
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      for (int n = 0; n < 200; ++n) {
        ledger_.Begin(account, std::chrono::steady_clock::now());
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        ledger_.End(account, std::chrono::steady_clock::now());
        meter.report();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  meter.SampleIfOlder(absl::ZeroDuration());
  const PowerMeter::Report report = meter.report();
  ASSERT_EQ(report.shares.size(), 1u);
  EXPECT_GT(report.rails[0].joules, 0);
  EXPECT_GT(report.shares[0].joules, 0);
  EXPECT_LE(report.shares[0].joules, report.rails[0].joules + 1e-9);
}

TEST_F(PowerMeterTest, ARailThatGoesAndComesBackIsToldOnceEach) {
  const PowerReading one = readings_[0];
  ::testing::internal::CaptureStderr();
  readings_.push_back({.backend = "fpga", .device = "board", .rail = "", .watts = 3});
  Pass(1, 0);  // one is new
  Pass(1, 0);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ::testing::internal::CaptureStderr();
  std::swap(readings_[0], readings_[1]);
  readings_.pop_back();
  for (int i = 0; i < 3; ++i) meter_->Sample(now_ = After(now_, 1));
  const std::string gone = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(gone,
              HasSubstr("WARNING power: rapl does not tell rail 'package' of 'package-0', backend 'cpu' any more"));
  EXPECT_EQ(std::count(gone.begin(), gone.end(), '\n'), 1) << gone;
  ::testing::internal::CaptureStderr();
  readings_ = {one};
  Pass(1, 0);
  Pass(1, 0);
  const std::string back = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(back, HasSubstr("INFO power: rapl tells rail 'package' of 'package-0', backend 'cpu' again\n"));
  EXPECT_THAT(back, HasSubstr("WARNING power: rapl does not tell 'board', backend 'fpga' any more"));
  EXPECT_EQ(std::count(back.begin(), back.end(), '\n'), 2) << back;
}

TEST(PowerMetricsTest, NoSourceNoSeries) {
  const testing::FakeSysfs sysfs;  // empty
  const BackendRegistry backends;
  const ComputeLedger ledger;
  PowerMeter meter(MakePowerSources(sysfs, backends, {}), &ledger);
  const PowerMetrics metrics(&meter);
  EXPECT_TRUE(metrics.Collect().empty());
}

TEST(PowerMetricsTest, EverySeriesBearsItsSource) {
  testing::FakeSysfs sysfs;
  sysfs.WriteFolder("class/powercap/intel-rapl:0",
                    {{"name", "package-0"}, {"energy_uj", "0"}, {"max_energy_range_uj", "1000000000"}});
  sysfs.WriteFolder("class/hwmon/hwmon0", {{"name", "ina226"}, {"power1_input", "1500000"}});
  const BackendRegistry backends;
  ComputeLedger ledger;
  PowerMeter meter(MakePowerSources(sysfs, backends, {}), &ledger);
  const PowerMetrics metrics(&meter);
  const auto text = [&] { return prometheus::TextSerializer().Serialize(metrics.Collect()); };
  const std::string rapl = "{backend=\"cpu\",device=\"package-0\",rail=\"package\",source=\"rapl\"} ";
  const std::string hwmon = "{backend=\"cpu\",device=\"ina226\",rail=\"power1\",source=\"hwmon\"} ";
  EXPECT_THAT(text(), HasSubstr("msq_power_watts" + hwmon + "1.5\n"));
  EXPECT_THAT(text(), HasSubstr("msq_energy_joules_total" + rapl + "0\n"));
  EXPECT_THAT(text(), Not(HasSubstr("msq_idle_power_watts{")));
  ComputeLedger::Account* account = ledger.Open("m", "1", "cpu");
  ledger.Begin(account, std::chrono::steady_clock::now());
  sysfs.Write("class/powercap/intel-rapl:0/energy_uj", "2000000");
  meter.Sample(std::chrono::steady_clock::now() + std::chrono::seconds(1));  // so much in no time would be nonsense
  const std::string now = text();
  EXPECT_THAT(now, HasSubstr("msq_energy_joules_total" + rapl + "2\n"));
  EXPECT_THAT(now, HasSubstr("msq_power_watts" + rapl));
  EXPECT_THAT(now, HasSubstr("msq_power_sample_interval_seconds" + rapl));
  EXPECT_THAT(now, HasSubstr("msq_inference_energy_joules_total{backend=\"cpu\",model=\"m\",source=\"rapl\","
                             "version=\"1\"} "));
  sysfs.Remove("class/powercap");
  meter.Sample(std::chrono::steady_clock::now() + std::chrono::seconds(2));
  EXPECT_THAT(text(), Not(HasSubstr("source=\"rapl\"")));
}

}  // namespace
}  // namespace msq::server
