#include "server/status/status_report.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "server/power/power_sources.h"
#include "server/security/token_store.h"
#include "server/testing/fake_sysfs.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StatusReportTest : public ::testing::Test {
 protected:
  StatusReportTest() { stack_.folder().AddModel("m", 1, msq::testing::SampleModel()); }

  void Open(ModelRepository::Mode mode = ModelRepository::Mode::kNone, bool details = true) {
    stack_.Open({.repository = {.mode = mode}});
    StatusReporter::Options options;
    options.server_name = "the server";
    options.details = details;
    options.started_at = std::chrono::steady_clock::now() - std::chrono::seconds(100);
    reporter_.emplace(
        StatusReporter::Parts{&stack_.repository(), &stack_.backends(), &stack_.metrics(), nullptr, &history_},
        options);
    service_.emplace(
        ProtocolService::Parts{&stack_.repository(), &stack_.engine(), &stack_.regions(), nullptr, tokens_->get()},
        ProtocolService::Options{"", "", true});
    reporter_->SetService(&*service_);
  }

  static std::vector<std::string> Models(const StatusReport& report) {
    std::vector<std::string> lines;
    for (const StatusReport::Model& model : report.models) {
      lines.push_back(absl::StrCat(model.name, " ", model.version, " ", StateName(model.state)));
    }
    return lines;
  }

  testing::ServingStack stack_{{"fpga", "cpu"}};
  LogHistory history_;
  absl::StatusOr<std::unique_ptr<TokenStore>> tokens_ = TokenStore::Open("");
  std::optional<StatusReporter> reporter_;
  std::optional<ProtocolService> service_;
};

TEST_F(StatusReportTest, AModelAndItsFigures) {
  Open();
  ASSERT_TRUE(stack_.Infer(testing::SampleRequest("m", 3)).ok());
  stack_.control().FailWith(Unavailable("the board is gone"));
  ASSERT_TRUE(stack_.Infer(testing::SampleRequest("m", 2)).ok());
  const auto figures = [this] { return reporter_->Report().models[0].backends; };
  ASSERT_TRUE(testing::Eventually([&] { return figures()[0].images == 3 && figures()[1].images == 2; }));
  const StatusReport report = reporter_->Report();
  EXPECT_THAT(Models(report), ElementsAre("m 1 READY"));
  EXPECT_EQ(report.models[0].backends[0].backend, "fpga");
  EXPECT_EQ(report.models[0].backends[1].backend, "cpu");
  EXPECT_EQ(report.models[0].backends[0].requests + report.models[0].backends[1].requests, 2);
  EXPECT_EQ(report.models[0].backends[0].failovers, 1);
  EXPECT_EQ(report.models[0].backends[0].durations.size(), Metrics::DurationBounds().size() + 1);
  for (const Metrics::Figures& one : report.models[0].backends) {
    const std::string labels = absl::StrCat("{backend=\"", one.backend, "\",model=\"m\",version=\"1\"} ");
    EXPECT_TRUE(stack_.MetricsHave(absl::StrCat("msq_images_total", labels, one.images)));
    EXPECT_TRUE(stack_.MetricsHave(absl::StrCat("msq_requests_total", labels, one.requests)));
    EXPECT_TRUE(stack_.MetricsHave(absl::StrCat("msq_failovers_total", labels, one.failovers)));
    EXPECT_EQ(one.durations.back(), one.requests);
    EXPECT_GE(one.seconds, 0);
  }
  EXPECT_EQ(report.backends[0].name, "fpga");
  EXPECT_EQ(report.backends[1].name, "cpu");
  EXPECT_GT(report.backends[1].busy_seconds, 0);
  EXPECT_GE(report.uptime_seconds, 100);
  EXPECT_EQ(report.server_name, "the server");
  EXPECT_THAT(report.power, IsEmpty());  // nobody measures it
}

TEST_F(StatusReportTest, RailsThatAreReadAndThatWere) {
  Open();
  testing::FakeSysfs sysfs;
  for (const char* rail : {"0", "1"}) {
    sysfs.WriteFolder(absl::StrCat("class/hwmon/hwmon", rail), {{"name", "ina226"}, {"power1_input", "1500000"}});
    sysfs.Link(absl::StrCat("class/hwmon/hwmon", rail, "/device"), absl::StrCat("4-004", rail));
  }
  PowerMeter meter(MakePowerSources(sysfs, stack_.backends(), {}), &stack_.metrics().ledger());
  const StatusReporter reporter(
      StatusReporter::Parts{&stack_.repository(), &stack_.backends(), &stack_.metrics(), &meter, &history_}, {});
  EXPECT_EQ(reporter.Report().power.size(), 2u);
  EXPECT_THAT(reporter.Report().absent_power, IsEmpty());
  sysfs.Remove("class/hwmon/hwmon0");
  meter.Sample(std::chrono::steady_clock::now());
  const StatusReport report = reporter.Report();
  ASSERT_EQ(report.power.size(), 1u);
  EXPECT_EQ(report.power[0].device, "ina226@4-0041");
  ASSERT_EQ(report.absent_power.size(), 1u);
  EXPECT_EQ(report.absent_power[0].device, "ina226@4-0040");
}

TEST_F(StatusReportTest, WhyItIsNotReady) {
  Open();
  EXPECT_TRUE(reporter_->Report().ready);
  EXPECT_EQ(reporter_->Report().why, "");
  reporter_->SetService(nullptr);
  EXPECT_FALSE(reporter_->Report().ready);
  EXPECT_EQ(reporter_->Report().why, "starting");
  reporter_->SetService(&*service_);
  stack_.control(0).SetReady(false);
  stack_.control(1).SetReady(false);
  EXPECT_FALSE(reporter_->Report().ready);
  EXPECT_EQ(reporter_->Report().why, "waits for model 'm' version 1");
  EXPECT_THAT(Models(reporter_->Report()), ElementsAre("m 1 UNAVAILABLE"));
  service_->StartDraining();
  EXPECT_EQ(reporter_->Report().why, "shutting down");
}

TEST_F(StatusReportTest, ManyModelsThatAreNotReady) {
  for (const char* name : {"a", "b", "c", "d", "e"}) stack_.folder().AddFile(absl::StrCat(name, "/1/model.msq"), "x");
  Open();
  EXPECT_EQ(reporter_->Report().why,
            "waits for model 'a' version 1, model 'b' version 1, model 'c' version 1 and 2 more");
  EXPECT_THAT(reporter_->Report().models[0].reason, HasSubstr("model.msq"));
}

TEST_F(StatusReportTest, ModelsThatNobodyLoadedAreNobodysBusiness) {
  stack_.folder().AddModel("unheard_of", 1, msq::testing::SampleModel());
  Open(ModelRepository::Mode::kExplicit);
  EXPECT_THAT(Models(reporter_->Report()), IsEmpty());
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_THAT(Models(reporter_->Report()), ElementsAre("m 1 READY"));
  EXPECT_TRUE(reporter_->Report().ready);
}

TEST_F(StatusReportTest, DetailsCanBeLeftOut) {
  stack_.folder().AddFile("broken/1/model.msq", "x");
  history_.Add(absl::UnixEpoch(), LogLevel::kError, "what a client sent");
  Open();
  EXPECT_EQ(reporter_->Report().log.size(), 1u);
  EXPECT_TRUE(reporter_->Report().details);
  Open(ModelRepository::Mode::kNone, false);
  const StatusReport report = reporter_->Report();
  EXPECT_FALSE(report.details);
  EXPECT_THAT(report.log, IsEmpty());
  EXPECT_THAT(Models(report), ElementsAre("broken 1 UNAVAILABLE", "m 1 READY"));
  EXPECT_EQ(report.models[0].reason, "");
  EXPECT_EQ(report.why, "waits for model 'broken' version 1");
}

}  // namespace
}  // namespace msq::server
