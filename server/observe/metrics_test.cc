#include "server/observe/metrics.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/str_cat.h"
#include "backends/registry.h"
#include "base/status.h"
#include "server/observe/device_metrics.h"
#include "server/observe/metrics_endpoint.h"
#include "server/observe/process_metrics.h"
#include "server/protocol/reason.h"
#include "server/testing/raw_http_client.h"

namespace msq::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Text(const Metrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.registry()->Collect());
}

TEST(MetricsTest, FailureReasons) {
  EXPECT_EQ(FailureReasonOf(InvalidArgument("")), FailureReason::kBadRequest);
  EXPECT_EQ(FailureReasonOf(NotFound("")), FailureReason::kBadRequest);
  EXPECT_EQ(FailureReasonOf(WithReason(Unavailable(""), kQueueFull)), FailureReason::kQueueFull);
  EXPECT_EQ(FailureReasonOf(Unavailable("")), FailureReason::kBackend);
  EXPECT_EQ(FailureReasonOf(absl::DeadlineExceededError("")), FailureReason::kDeadline);
  EXPECT_EQ(FailureReasonOf(absl::CancelledError("")), FailureReason::kCancelled);
  EXPECT_EQ(FailureReasonOf(WithReason(Unavailable(""), kQueueTimeout)), FailureReason::kQueueTimeout);
  EXPECT_EQ(FailureReasonOf(absl::AbortedError("")), FailureReason::kCancelled);
  EXPECT_EQ(FailureReasonOf(DataLoss("")), FailureReason::kBackend);
}

TEST(MetricsTest, CountsPerModelVersionAndBackend) {
  Metrics metrics;
  const auto one = metrics.ForModel("m", "1", "cpu"), two = metrics.ForModel("m", "2", "cpu");
  const absl::Time start = absl::UnixEpoch();
  RequestTimes times;
  times.arrival = times.queued = start;
  one->CountAnswer(InvalidArgument("no"), times, start);
  times.started = times.gathered = start;
  times.computed = times.encoded = start + absl::Microseconds(300);
  one->CountAnswer(absl::OkStatus(), times, times.encoded);
  one->CountBatch(5, CloseReason::kFull);
  two->CountAnswer(absl::OkStatus(), times, times.encoded);
  metrics.CountUnresolved();
  const std::string text = Text(metrics);
  const std::string labels = "{backend=\"cpu\",model=\"m\",";
  EXPECT_NE(text.find("msq_requests_total" + labels + "version=\"1\"} 2\n"), text.npos);
  EXPECT_NE(text.find("msq_requests_total" + labels + "version=\"2\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_request_failures_total" + labels + "reason=\"bad_request\",version=\"1\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_images_total" + labels + "version=\"1\"} 5\n"), text.npos);
  const std::string bucket = "msq_request_duration_seconds_bucket" + labels + "phase=\"compute\",version=\"1\",le=";
  EXPECT_NE(text.find(bucket + "\"0.00025\"} 0\n"), text.npos);
  EXPECT_NE(text.find(bucket + "\"0.0005\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_request_duration_seconds_count" + labels + "phase=\"compute\",version=\"1\"} 1\n"),
            text.npos);  // the refused one never came to that
  EXPECT_NE(text.find("msq_batches_total" + labels + "reason=\"full\",version=\"1\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_batch_size_sum" + labels + "version=\"1\"} 5\n"), text.npos);
  EXPECT_NE(text.find("msq_unresolved_requests_total 1\n"), text.npos);
}

// Each phase between bounds that are no further apart than 2.5 times, from what it usually takes to what it may take.
TEST(MetricsTest, PhasesOfMicrosecondsAndOfAMinuteAreToldApart) {
  Metrics metrics;
  const auto model = metrics.ForModel("m", "1", "cpu");
  const absl::Time start = absl::UnixEpoch();
  RequestTimes times;
  times.arrival = start;
  times.queued = start + absl::Nanoseconds(2700);
  times.started = times.queued + absl::Nanoseconds(2400);
  times.gathered = times.started + absl::Nanoseconds(900);
  times.computed = times.gathered + absl::Microseconds(30);
  times.encoded = times.computed + absl::Nanoseconds(1600);
  model->CountAnswer(absl::OkStatus(), times, times.encoded);
  times.started = times.queued + absl::Seconds(45);
  times.gathered = times.computed = times.encoded = absl::InfinitePast();
  model->CountAnswer(absl::CancelledError(""), times, start + absl::Seconds(46));
  const std::string text = Text(metrics);
  const auto has = [&text](const char* phase, const char* bound, int count) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("msq_request_duration_seconds_bucket{backend=\"cpu\",model=\"m\",phase=\"",
                                             phase, "\",version=\"1\",le=\"", bound, "\"} ", count, "\n")));
  };
  has("decode", "2.5e-06", 0);
  has("decode", "5e-06", 2);
  has("queue", "1e-06", 0);
  has("queue", "2.5e-06", 1);
  has("queue", "30", 1);
  has("queue", "60", 2);
  has("gather", "1e-06", 1);
  has("compute", "2.5e-05", 0);
  has("compute", "5e-05", 1);
  has("encode", "1e-06", 0);
  has("encode", "2.5e-06", 1);
  has("total", "30", 1);
  has("total", "60", 2);
}

TEST(MetricsTest, WhatDevicesTellOfRuns) {
  Metrics metrics;
  Capabilities counts;
  counts.reports_cycles = true;
  metrics.AddBackend("fpga", counts);
  metrics.AddBackend("cpu", {});
  const auto on_fpga = metrics.ForModel("m", "1", "fpga"), on_cpu = metrics.ForModel("m", "1", "cpu");
  on_fpga->BeginRun();
  on_fpga->EndRun({.cycles = 100, .dsp_busy_cycles = 90, .lut_busy_cycles = 80, .bytes_moved = 64, .joules = {}});
  on_cpu->BeginRun();
  on_cpu->EndRun({});
  const std::string text = Text(metrics);
  for (const char* line :
       {"msq_model_cycles_total{backend=\"fpga\",model=\"m\",version=\"1\"} 100\n",
        "msq_model_engine_busy_cycles_total{backend=\"fpga\",engine=\"dsp\",model=\"m\",version=\"1\"} 90\n",
        "msq_model_engine_busy_cycles_total{backend=\"fpga\",engine=\"lut\",model=\"m\",version=\"1\"} 80\n",
        "msq_model_dram_bytes_total{backend=\"fpga\",model=\"m\",version=\"1\"} 64\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("msq_model_cycles_total{backend=\"cpu\"")));
}

TEST(MetricsTest, LoadTimeIsThatOfWhatIsReady) {
  Metrics metrics;
  metrics.SetModelReady("m", "1", std::nullopt);
  EXPECT_THAT(Text(metrics), HasSubstr("msq_model_ready{model=\"m\",version=\"1\"} 0\n"));
  EXPECT_THAT(Text(metrics), Not(HasSubstr("msq_model_load_duration_seconds{")));
  metrics.SetModelReady("m", "1", absl::Milliseconds(1500));
  EXPECT_THAT(Text(metrics), HasSubstr("msq_model_ready{model=\"m\",version=\"1\"} 1\n"));
  EXPECT_THAT(Text(metrics), HasSubstr("msq_model_load_duration_seconds{model=\"m\",version=\"1\"} 1.5\n"));
  metrics.ForgetModel("m", "1");
  EXPECT_THAT(Text(metrics), Not(HasSubstr("model=\"m\"")));
}

// Scrapes while models come and go.
TEST(MetricsTest, NoGaugeIsZeroBeforeItHasItsValueOrBeforeItGoes) {
  Metrics metrics;
  std::atomic<bool> stop = false;
  std::thread loads([&] {
    while (!stop) {
      metrics.SetModelReady("m", "1", std::nullopt);
      metrics.ForgetModel("m", "1");
      metrics.ForModel("m", "1", "cpu")->SetWeightBytes(4096);
      metrics.ForModel("m", "1", "cpu").reset();
      metrics.SetModelReady("m", "1", absl::Seconds(2));
      metrics.ForgetModel("m", "1");
    }
  });
  int zeros = 0, values = 0;
  for (int i = 0; values < 200 || i < 2000; ++i) {
    for (const prometheus::MetricFamily& family : metrics.registry()->Collect()) {
      if (family.name != "msq_model_load_duration_seconds" && family.name != "msq_model_weight_bytes") continue;
      for (const prometheus::ClientMetric& metric : family.metric) ++(metric.gauge.value == 0 ? zeros : values);
    }
  }
  stop = true;
  loads.join();
  EXPECT_EQ(zeros, 0) << "of " << values;
}

TEST(MetricsTest, SeriesGoWithTheirLastHolder) {
  Metrics metrics;
  auto one = metrics.ForModel("m", "1", "cpu");
  auto same = metrics.ForModel("m", "1", "cpu");
  one->CountBatch(1, CloseReason::kFull);
  one->SetWeightBytes(4096);
  EXPECT_NE(Text(metrics).find("msq_model_weight_bytes{backend=\"cpu\",model=\"m\",version=\"1\"} 4096\n"),
            std::string::npos);
  one.reset();
  EXPECT_NE(Text(metrics).find("msq_images_total{backend=\"cpu\",model=\"m\",version=\"1\"} 1\n"), std::string::npos);
  same.reset();
  EXPECT_EQ(Text(metrics).find("model=\"m\""), std::string::npos);
  one = metrics.ForModel("m", "1", "cpu");
  EXPECT_NE(Text(metrics).find("msq_images_total{backend=\"cpu\",model=\"m\",version=\"1\"} 0\n"), std::string::npos);
}

TEST(MetricsEndpointTest, ServesTheMetricsAndNothingElse) {
  Metrics metrics;
  metrics.SetBuildInfo("1.2");
  const ProcessMetrics process;
  const auto endpoint = MetricsEndpoint::Start("localhost:0", {metrics.registry().get(), &process});
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const auto ask = [&endpoint](const std::string& line) {
    return testing::Exchange((*endpoint)->port(), line + " HTTP/1.1\r\nConnection: close\r\n\r\n");
  };
  const std::string page = ask("GET /metrics?x=y");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(page, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(page, HasSubstr("msq_build_info{version=\"1.2\"} 1\n"));
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_cpu_seconds_total",
                           "process_open_fds", "process_max_fds", "process_start_time_seconds"}) {
    EXPECT_THAT(page, HasSubstr(std::string("\n") + name + " "));
  }
  EXPECT_THAT(ask("HEAD /metrics"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(ask("GET /"), HasSubstr("nothing is here; there are: /metrics\n"));
  EXPECT_THAT(ask("DELETE /metrics"), StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
}

// A backend with a device, as it reports itself.
class ReportingBackend final : public Backend {
 public:
  std::string_view name() const override { return "fpga"; }
  Capabilities capabilities() const override { return {}; }
  BackendReport Report() const override {
    DeviceReport works, hangs;
    works.name = "board 0";
    works.runs = 3;
    works.cycles = 1000;
    works.dsp_busy_cycles = 900;
    works.lut_busy_cycles = 800;
    works.dram_bytes = 64;
    works.running = absl::Milliseconds(2);
    works.clock_hz = 100e6;
    works.memory_bytes = 4096;
    works.memory_used_bytes = 1024;
    works.busy = absl::Milliseconds(5);
    hangs.name = "board 1";
    hangs.ready = false;
    hangs.quarantines = 1;
    return {.devices = {works, hangs}, .verified = 7, .mismatches = 1, .unverified = 2};
  }
  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph&, const PrepareOptions&) const override {
    return Unimplemented("nothing");
  }
};

TEST(DeviceMetricsTest, WhatDevicesReport) {
  BackendRegistry backends;
  ASSERT_TRUE(backends.Register(std::make_unique<ReportingBackend>()).ok());
  const std::string text = prometheus::TextSerializer().Serialize(DeviceMetrics(backends).Collect());
  for (const char* line :
       {"msq_device_ready{backend=\"fpga\",device=\"board 0\"} 1\n",
        "msq_device_ready{backend=\"fpga\",device=\"board 1\"} 0\n",
        "msq_device_quarantines_total{backend=\"fpga\",device=\"board 1\"} 1\n",
        "msq_device_runs_total{backend=\"fpga\",device=\"board 0\"} 3\n",
        "msq_device_cycles_total{backend=\"fpga\",device=\"board 0\"} 1000\n",
        "msq_device_engine_busy_cycles_total{backend=\"fpga\",device=\"board 0\",engine=\"dsp\"} 900\n",
        "msq_device_engine_busy_cycles_total{backend=\"fpga\",device=\"board 0\",engine=\"lut\"} 800\n",
        "msq_device_dram_bytes_total{backend=\"fpga\",device=\"board 0\"} 64\n",
        "msq_device_running_seconds_total{backend=\"fpga\",device=\"board 0\"} 0.002\n",
        "msq_device_clock_hertz{backend=\"fpga\",device=\"board 0\"} 100000000\n",
        "msq_device_memory_bytes{backend=\"fpga\",device=\"board 0\"} 4096\n",
        "msq_device_memory_used_bytes{backend=\"fpga\",device=\"board 0\"} 1024\n",
        "msq_device_busy_seconds_total{backend=\"fpga\",device=\"board 0\"} 0.005\n",
        "msq_verified_answers_total{backend=\"fpga\"} 7\n", "msq_verification_mismatches_total{backend=\"fpga\"} 1\n",
        "msq_unverified_answers_total{backend=\"fpga\"} 2\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  // Its driver tells nothing.
  EXPECT_THAT(text, Not(HasSubstr("msq_device_clock_hertz{backend=\"fpga\",device=\"board 1\"}")));
  EXPECT_THAT(text, Not(HasSubstr("memory_bytes{backend=\"fpga\",device=\"board 1\"}")));
}

TEST(MetricsEndpointTest, RefusesATakenPort) {
  const auto first = MetricsEndpoint::Start("127.0.0.1:0", {});
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = MetricsEndpoint::Start(taken, {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(second.status()), "metrics: cannot listen on " + taken + ": the port is in use");
}

}  // namespace
}  // namespace msq::server
