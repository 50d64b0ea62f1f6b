#include "server/status/status_json.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "server/http/message_json.h"

namespace msq::server {
namespace {

Json Seconds(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

// Members that are not known are not there.
template <typename T>
void SetIfKnown(const char* name, const std::optional<T>& value, Json* json) {
  if (value) (*json)[name] = *value;
}

Json FiguresJson(const Metrics::Figures& figures) {
  Json failures = Json::object();
  for (size_t i = 0; i < kFailureReasonCount; ++i) {
    failures[FailureReasonName(static_cast<FailureReason>(i))] = figures.failures[i];
  }
  return {{"name", figures.backend},
          {"requests", figures.requests},
          {"failures", std::move(failures)},
          {"images", figures.images},
          {"failovers", figures.failovers},
          {"waiting", figures.queued},
          {"latency", {{"seconds", figures.seconds}, {"within", figures.durations}}}};
}

Json ModelJson(const StatusReport::Model& model) {
  Json backends = Json::array();
  for (const Metrics::Figures& figures : model.backends) backends.push_back(FiguresJson(figures));
  return {{"name", model.name},
          {"version", model.version},
          {"state", StateName(model.state)},
          {"reason", model.reason},
          {"backends", std::move(backends)}};
}

Json DeviceJson(const DeviceReport& device) {
  Json json = {{"name", device.name},
               {"ready", device.ready},
               {"why", device.why},
               {"runs", device.runs},
               {"quarantines", device.quarantines},
               {"busy_seconds", absl::ToDoubleSeconds(device.busy)},
               {"running_seconds", absl::ToDoubleSeconds(device.running)},
               {"cycles", device.cycles},
               {"dsp_busy_cycles", device.dsp_busy_cycles},
               {"lut_busy_cycles", device.lut_busy_cycles},
               {"dram_bytes", device.dram_bytes}};
  if (device.emulates) json["emulates"] = device.emulates->name;
  SetIfKnown("clock_hz", device.clock_hz, &json);
  SetIfKnown("memory_bytes", device.memory_bytes, &json);
  SetIfKnown("memory_used_bytes", device.memory_used_bytes, &json);
  return json;
}

Json BackendJson(const StatusReport::OneBackend& backend) {
  Json devices = Json::array();
  for (const DeviceReport& device : backend.report.devices) devices.push_back(DeviceJson(device));
  Json json = {{"name", backend.name}, {"runs_on", backend.runs_on}, {"busy_seconds", backend.busy_seconds}};
  if (!backend.report.devices.empty()) {
    json["verified"] = backend.report.verified;
    json["mismatches"] = backend.report.mismatches;
  }
  json["devices"] = std::move(devices);
  return json;
}

Json RailJson(const PowerMeter::Rail& rail, bool present) {
  Json json = {{"backend", rail.backend}, {"device", rail.device}, {"rail", rail.rail},
               {"source", rail.source},   {"present", present},    {"joules", rail.joules}};
  SetIfKnown("watts", rail.watts, &json);
  SetIfKnown("idle_watts", rail.idle_watts, &json);
  return json;
}

Json PowerJson(const StatusReport& report) {
  Json list = Json::array();
  for (const PowerMeter::Rail& rail : report.power) list.push_back(RailJson(rail, true));
  for (const PowerMeter::Rail& rail : report.absent_power) list.push_back(RailJson(rail, false));
  return list;
}

Json LineJson(const LogHistory::Line& line) {
  return {{"time", Seconds(line.time)},
          {"level", absl::AsciiStrToLower(LogLevelName(line.level))},
          {"message", line.message},
          {"count", line.count}};
}

template <typename Items, typename ToJson>
Json List(const Items& items, ToJson to_json) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(to_json(item));
  return list;
}

}  // namespace

std::string StatusToJson(const StatusReport& report) {
  const Json server = {{"name", report.server_name},
                       {"version", report.server_version},
                       {"started", Seconds(report.started)},
                       {"uptime_seconds", report.uptime_seconds},
                       {"ready", report.ready},
                       {"why", report.why},
                       {"details", report.details}};
  return DumpJson({{"server", server},
                   {"latency_bounds_seconds", Metrics::DurationBounds()},
                   {"models", List(report.models, ModelJson)},
                   {"backends", List(report.backends, BackendJson)},
                   {"power", PowerJson(report)},
                   {"log", List(report.log, LineJson)}});
}

}  // namespace msq::server
