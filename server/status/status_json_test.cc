#include "server/status/status_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace msq::server {
namespace {

using nlohmann::json;

constexpr char kOddName[] = "<img src=x onerror=alert(1)>\"\\\n\x01\xff</script>";
constexpr char kOddNameAsUtf8[] = "<img src=x onerror=alert(1)>\"\\\n\x01\xef\xbf\xbd</script>";

json Parse(const StatusReport& report) {
  return json::parse(StatusToJson(report));  // throws, and so fails, where it is no JSON
}

TEST(StatusJsonTest, AnEmptyReport) {
  const json status = Parse({});
  EXPECT_EQ(status["server"]["ready"], false);
  for (const char* list : {"models", "backends", "power", "log"}) EXPECT_EQ(status[list], json::array()) << list;
  EXPECT_EQ(status["latency_bounds_seconds"].size(), Metrics::DurationBounds().size());
}

TEST(StatusJsonTest, TheServer) {
  StatusReport report;
  report.server_name = "msqd";
  report.server_version = "1.2";
  report.started = absl::FromUnixMillis(1500);
  report.uptime_seconds = 7.25;
  report.why = "starting";
  report.details = false;
  EXPECT_EQ(Parse(report)["server"], json::parse(R"({"name": "msqd", "version": "1.2", "started": 1.5,
      "uptime_seconds": 7.25, "ready": false, "why": "starting", "details": false})"));
}

TEST(StatusJsonTest, TextsMayBeAnything) {
  StatusReport report;
  report.models.push_back({kOddName, "1", ModelRepository::State::kUnavailable, kOddName, {}});
  report.log.push_back({absl::FromUnixSeconds(5), LogLevel::kError, kOddName, 3});
  const json status = Parse(report);
  EXPECT_EQ(status["models"], json::array({{{"name", kOddNameAsUtf8},
                                            {"version", "1"},
                                            {"state", "UNAVAILABLE"},
                                            {"reason", kOddNameAsUtf8},
                                            {"backends", json::array()}}}));
  EXPECT_EQ(status["log"],
            json::array({{{"time", 5.0}, {"level", "error"}, {"message", kOddNameAsUtf8}, {"count", 3}}}));
}

TEST(StatusJsonTest, FiguresOfAModel) {
  Metrics::Figures figures;
  figures.backend = "fpga";
  figures.requests = 10;
  figures.images = 40;
  figures.failovers = 2;
  figures.queued = 1;
  figures.failures[static_cast<size_t>(FailureReason::kQueueFull)] = 3;
  figures.durations = {1, 9, 10};
  figures.seconds = 0.5;
  StatusReport report;
  report.models.push_back({"m", "1", ModelRepository::State::kReady, "", {figures}});
  EXPECT_EQ(Parse(report)["models"][0]["backends"], json::parse(R"([{"name": "fpga", "requests": 10, "images": 40,
      "failures": {"bad_request": 0, "queue_full": 3, "queue_timeout": 0, "deadline": 0, "cancelled": 0, "backend": 0},
      "failovers": 2, "waiting": 1, "latency": {"seconds": 0.5, "within": [1, 9, 10]}}])"));
}

TEST(StatusJsonTest, ADeviceInQuarantine) {
  DeviceReport device;
  device.name = "board 0";
  device.ready = false;
  device.why = "it hangs";
  device.quarantines = 4;
  device.running = absl::Milliseconds(250);
  StatusReport report;
  report.backends.push_back({"fpga", "fpga z020", 1.5, {.devices = {device}, .verified = 6, .mismatches = 1}});
  report.backends.push_back({"cpu", "cpu avx2", 0.5, {}});
  const json backends = Parse(report)["backends"];
  EXPECT_EQ(backends[0]["verified"], 6);
  EXPECT_EQ(backends[0]["mismatches"], 1);
  const json& told = backends[0]["devices"][0];
  EXPECT_EQ(told["ready"], false);
  EXPECT_EQ(told["why"], "it hangs");
  EXPECT_EQ(told["quarantines"], 4);
  EXPECT_EQ(told["running_seconds"], 0.25);
  // Its driver tells nothing of these.
  for (const char* unknown : {"clock_hz", "memory_bytes", "memory_used_bytes", "emulates"}) {
    EXPECT_FALSE(told.contains(unknown)) << unknown;
  }
  EXPECT_EQ(backends[1], json::parse(R"({"name": "cpu", "runs_on": "cpu avx2", "busy_seconds": 0.5, "devices": []})"));
}

TEST(StatusJsonTest, AnEmulatedDevice) {
  DeviceReport device;
  device.emulates = EmulatedPart{.name = "xc7z020"};
  device.clock_hz = 100e6;
  device.memory_bytes = 64;
  device.memory_used_bytes = 32;
  StatusReport report;
  report.backends.push_back({"fpga", "fpga z020", 0, {.devices = {device}}});
  const json told = Parse(report)["backends"][0]["devices"][0];
  EXPECT_EQ(told["emulates"], "xc7z020");
  EXPECT_EQ(told["clock_hz"], 100e6);
  EXPECT_EQ(told["memory_bytes"], 64);
  EXPECT_EQ(told["memory_used_bytes"], 32);
}

TEST(StatusJsonTest, PowerIsToldAsFarAsItIsKnown) {
  PowerMeter::Rail rail;
  rail.backend = "cpu";
  rail.device = "package-0";
  rail.source = "rapl";
  rail.joules = 12.5;
  StatusReport report;
  report.power.push_back(rail);
  rail.watts = 3;
  rail.idle_watts = 1;
  report.power.push_back(rail);
  const json power = Parse(report)["power"];
  EXPECT_EQ(power[0], json::parse(R"({"backend": "cpu", "device": "package-0", "rail": "", "source": "rapl",
                                      "present": true, "joules": 12.5})"));
  EXPECT_EQ(power[1]["watts"], 3);
  EXPECT_EQ(power[1]["idle_watts"], 1);
}

TEST(StatusJsonTest, ARailThatCannotBeReadAnyMoreIsTold) {
  PowerMeter::Rail rail;
  rail.backend = "fpga";
  rail.device = "ina226@2-0040";
  rail.rail = "VCCINT";
  rail.source = "hwmon";
  rail.joules = 12.5;
  StatusReport report;
  report.absent_power.push_back(rail);
  EXPECT_EQ(Parse(report)["power"], json::parse(R"([{"backend": "fpga", "device": "ina226@2-0040", "rail": "VCCINT",
                                                     "source": "hwmon", "present": false, "joules": 12.5}])"));
}

}  // namespace
}  // namespace msq::server
