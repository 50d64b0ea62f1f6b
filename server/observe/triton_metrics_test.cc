#include "server/observe/triton_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLabels[] = "{model=\"m\",version=\"1\"} ";

// A backend with devices, as the test says.
class ReportedBackend final : public Backend {
 public:
  explicit ReportedBackend(const std::vector<DeviceReport>* devices) : devices_(*devices) {}
  std::string_view name() const override { return "fpga"; }
  Capabilities capabilities() const override { return {}; }
  BackendReport Report() const override { return {.devices = devices_}; }
  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph&, const PrepareOptions&) const override {
    return Unimplemented("nothing");
  }

 private:
  const std::vector<DeviceReport>& devices_;
};

// Tells what the test wants told.
class PuppetSource final : public PowerSource {
 public:
  PuppetSource(std::string name, std::vector<PowerReading> readings)
      : name_(std::move(name)), readings_(std::move(readings)) {}
  std::string_view name() const override { return name_; }
  std::vector<PowerReading> Sample(Time /*now*/) override { return readings_; }
  std::vector<PowerReading>* readings() { return &readings_; }

 private:
  const std::string name_;
  std::vector<PowerReading> readings_;
};

class TritonMetricsTest : public ::testing::Test {
 protected:
  TritonMetricsTest() {
    stack_.folder().AddModel("m", 1, SampleModel());
    stack_.Open();
    EXPECT_TRUE(backends_.Register(std::make_unique<ReportedBackend>(&devices_)).ok());
    devices_.resize(1);
    devices_[0].name = "emulated-z020-0";
  }
  // Its readings, for the test to change.
  std::vector<PowerReading>* AddSource(const std::string& name, std::vector<PowerReading> readings) {
    auto source = std::make_unique<PuppetSource>(name, std::move(readings));
    std::vector<PowerReading>* told = source->readings();
    sources_.push_back(std::move(source));
    return told;
  }
  void SampleLater() { meter_->Sample(sampled_at_ += std::chrono::seconds(1)); }
  void Make() {
    meter_ = std::make_unique<PowerMeter>(std::move(sources_), &stack_.metrics().ledger());
    metrics_ = std::make_unique<TritonMetrics>(TritonMetrics::Parts{&stack_.repository(), &backends_, meter_.get()});
  }
  std::string Text(double seconds = 0) const {
    const TritonMetrics::Time now = TritonMetrics::Time() + std::chrono::duration_cast<TritonMetrics::Time::duration>(
                                                                std::chrono::duration<double>(seconds));
    return prometheus::TextSerializer().Serialize(metrics_->Collect(now));
  }

  testing::ServingStack stack_;
  std::vector<DeviceReport> devices_;
  BackendRegistry backends_;
  std::vector<std::unique_ptr<PowerSource>> sources_;
  std::unique_ptr<PowerMeter> meter_;
  std::unique_ptr<TritonMetrics> metrics_;
  TritonMetrics::Time sampled_at_ = std::chrono::steady_clock::now();
};

TEST_F(TritonMetricsTest, InferenceUnderItsNames) {
  Make();
  ASSERT_TRUE(stack_.Infer(testing::SampleRequest("m", 3)).ok());
  ASSERT_FALSE(stack_.Infer(testing::SampleRequest("m", 0)).ok());
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr(absl::StrCat("nv_inference_request_success", kLabels, "1\n")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("nv_inference_count", kLabels, "3\n")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("nv_inference_exec_count", kLabels, "1\n")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("nv_inference_pending_request_count", kLabels, "0\n")));
  for (const char* name : {"nv_inference_request_duration_us", "nv_inference_queue_duration_us",
                           "nv_inference_compute_input_duration_us", "nv_inference_compute_infer_duration_us",
                           "nv_inference_compute_output_duration_us", "nv_model_load_duration_secs"}) {
    EXPECT_THAT(text, HasSubstr(std::string(name) + kLabels));
  }
  for (const char* failure : {"REJECTED\",version=\"1\"} 0", "CANCELED\",version=\"1\"} 0",
                              "BACKEND\",version=\"1\"} 0", "OTHER\",version=\"1\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("nv_inference_request_failure{model=\"m\",reason=\"", failure, "\n")));
  }
  EXPECT_THAT(text, Not(HasSubstr("nv_cache")));  // the model has none
  EXPECT_THAT(text, HasSubstr("nv_cpu_memory_total_bytes "));
}

TEST_F(TritonMetricsTest, WhatIsNotKnownHasNoSeries) {
  Make();
  EXPECT_THAT(Text(), Not(HasSubstr("nv_gpu_")));
  EXPECT_THAT(Text(), Not(HasSubstr("nv_energy_consumption")));
}

TEST_F(TritonMetricsTest, AcceleratorsAreItsGpus) {
  devices_[0].memory_bytes = 4096;
  devices_[0].memory_used_bytes = 1024;
  AddSource("model", {{.backend = "fpga", .device = "emulated-z020-0", .joules = 3, .watts = 2.5}});
  AddSource("rapl", {{.backend = "cpu", .device = "package-0", .watts = 100}});
  Make();
  const std::string text = Text(), labels = "{gpu_uuid=\"FPGA-emulated-z020-0\"} ";
  EXPECT_THAT(text, HasSubstr("nv_gpu_power_usage" + labels + "2.5\n"));
  EXPECT_THAT(text, HasSubstr("nv_energy_consumption" + labels + "0\n"));
  EXPECT_THAT(text, HasSubstr("nv_gpu_memory_total_bytes" + labels + "4096\n"));
  EXPECT_THAT(text, HasSubstr("nv_gpu_memory_used_bytes" + labels + "1024\n"));
  EXPECT_THAT(text, Not(HasSubstr("nv_gpu_utilization")));  // it takes two looks
}

TEST_F(TritonMetricsTest, ABoardsRailsAreItsOnlyDevicesAndMeasuredPowerComesFirst) {
  AddSource("model", {{.backend = "fpga", .device = "emulated-z020-0", .watts = 99}});
  AddSource("hwmon", {{.backend = "fpga", .device = "ucd9248@4-0034", .rail = "vout1", .watts = 1},
                      {.backend = "fpga", .device = "ucd9248@4-0034", .rail = "vout2", .watts = 2}});
  Make();
  EXPECT_THAT(Text(), HasSubstr("nv_gpu_power_usage{gpu_uuid=\"FPGA-emulated-z020-0\"} 3\n"));
  devices_.resize(2);  // now the rails may be either's
  devices_[1].name = "other";
  EXPECT_THAT(Text(), HasSubstr("nv_gpu_power_usage{gpu_uuid=\"FPGA-emulated-z020-0\"} 99\n"));
  EXPECT_THAT(Text(), Not(HasSubstr("nv_gpu_power_usage{gpu_uuid=\"FPGA-other\"}")));
}

TEST_F(TritonMetricsTest, EnergyDoesNotFallWhileARailCannotBeRead) {
  std::vector<PowerReading>* readings =
      AddSource("hwmon", {{.backend = "fpga", .device = "u", .rail = "1", .joules = 0, .watts = 1},
                          {.backend = "fpga", .device = "u", .rail = "2", .joules = 0, .watts = 2}});
  Make();
  const std::string energy = "nv_energy_consumption{gpu_uuid=\"FPGA-emulated-z020-0\"} ";
  const auto pass = [&](size_t rail, double joules) {
    *readings->at(rail).joules += joules;
    SampleLater();
    return Text();
  };
  EXPECT_THAT(pass(0, 5), HasSubstr(energy + "5\n"));
  EXPECT_THAT(pass(1, 7), AllOf(HasSubstr(energy + "12\n"), HasSubstr("nv_gpu_power_usage{")));
  const PowerReading first = readings->at(0);
  readings->erase(readings->begin());
  EXPECT_THAT(pass(0, 1), AllOf(HasSubstr(energy + "13\n"), Not(HasSubstr("nv_gpu_power_usage{"))));
  const PowerReading second = readings->at(0);
  readings->clear();
  SampleLater();
  EXPECT_THAT(Text(), Not(HasSubstr("nv_energy_consumption{")));
  *readings = {first, second};
  SampleLater();
  EXPECT_THAT(Text(), AllOf(HasSubstr(energy + "13\n"), HasSubstr("nv_gpu_power_usage{")));
  EXPECT_THAT(pass(1, 2), HasSubstr(energy + "15\n"));
}

TEST_F(TritonMetricsTest, EnergyDoesNotFallWhenABetterSourceComes) {
  std::vector<PowerReading>* model =
      AddSource("model", {{.backend = "fpga", .device = "emulated-z020-0", .joules = 0}});
  std::vector<PowerReading>* hwmon = AddSource("hwmon", {});
  Make();
  const std::string energy = "nv_energy_consumption{gpu_uuid=\"FPGA-emulated-z020-0\"} ";
  *model->at(0).joules += 9;
  SampleLater();
  EXPECT_THAT(Text(), HasSubstr(energy + "9\n"));
  *hwmon = {{.backend = "fpga", .device = "u", .joules = 0}};
  SampleLater();
  EXPECT_THAT(Text(), HasSubstr(energy + "9\n"));
  *hwmon->at(0).joules += 3;
  SampleLater();
  EXPECT_THAT(Text(), HasSubstr(energy + "12\n"));
}

TEST_F(TritonMetricsTest, UtilizationIsOfTheTimeBetweenTwoLooks) {
  const std::string name = "nv_gpu_utilization{gpu_uuid=\"FPGA-emulated-z020-0\"} ";
  Make();
  Text(100);
  devices_[0].running = absl::Milliseconds(500);
  EXPECT_THAT(Text(102), HasSubstr(name + "0.25\n"));
  devices_[0].running = absl::Seconds(1);
  EXPECT_THAT(Text(102.1), HasSubstr(name + "0.25\n"));  // too soon to tell
  EXPECT_THAT(Text(103), HasSubstr(name + "0.5\n"));
}

}  // namespace
}  // namespace msq::server
