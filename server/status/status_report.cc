#include "server/status/status_report.h"

#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace msq::server {
namespace {

constexpr size_t kNamedModels = 3;

// Those for which the server is not ready: "model 'a' version 1, model 'b' and 2 more".
std::string AwaitedModels(const std::vector<ModelRepository::Entry>& entries) {
  std::string text;
  size_t count = 0;
  for (const ModelRepository::Entry& entry : entries) {
    if (!entry.awaited || ++count > kNamedModels) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", "model '", entry.name, "'");
    if (!entry.version.empty()) absl::StrAppend(&text, " version ", entry.version);
  }
  if (count > kNamedModels) absl::StrAppend(&text, " and ", count - kNamedModels, " more");
  return text;
}

std::vector<StatusReport::Model> DescribeModels(const std::vector<ModelRepository::Entry>& entries,
                                                const std::vector<Metrics::Figures>& figures,
                                                const std::vector<std::string_view>& backends) {
  using Key = std::tuple<std::string_view, std::string_view, std::string_view>;
  std::map<Key, const Metrics::Figures*> by_queue;
  for (const Metrics::Figures& one : figures) by_queue[{one.model, one.version, one.backend}] = &one;
  std::vector<StatusReport::Model> models;
  for (const ModelRepository::Entry& entry : entries) {
    StatusReport::Model& model = models.emplace_back();
    model.name = entry.name;
    model.version = entry.version;
    model.state = entry.state;
    model.reason = entry.reason;
    for (std::string_view backend : backends) {
      const auto found = by_queue.find({entry.name, entry.version, backend});
      if (found != by_queue.end()) model.backends.push_back(*found->second);
    }
  }
  return models;
}

void LeaveOutDetails(StatusReport* report) {
  report->log.clear();
  for (StatusReport::Model& model : report->models) model.reason.clear();
  for (StatusReport::OneBackend& backend : report->backends) {
    for (DeviceReport& device : backend.report.devices) device.why.clear();
  }
}

}  // namespace

void StatusReporter::TellReadiness(const std::vector<ModelRepository::Entry>& entries, StatusReport* report) const {
  const ProtocolService* service = service_;
  if (service == nullptr) {
    report->why = "starting";
  } else if (service->draining()) {
    report->why = "shutting down";
  } else if (!service->Ready()) {
    const std::string models = AwaitedModels(entries);
    report->why = absl::StrCat("waits for ", models.empty() ? "models" : models);  // none: one was ready in between
  } else {
    report->ready = true;
  }
}

StatusReport StatusReporter::Report() const {
  const auto now = std::chrono::steady_clock::now();
  StatusReport report;
  report.server_name = options_.server_name;
  report.server_version = options_.server_version;
  report.started = options_.started;
  report.uptime_seconds = std::chrono::duration<double>(now - options_.started_at).count();
  report.details = options_.details;
  const std::vector<ModelRepository::Entry> entries = parts_.repository->Loaded();
  TellReadiness(entries, &report);
  report.models = DescribeModels(entries, parts_.metrics->Read(), parts_.backends->names());
  const ComputeLedger::Snapshot work = parts_.metrics->ledger().Read(std::chrono::steady_clock::now());
  for (std::string_view name : parts_.backends->names()) {
    const Backend& backend = **parts_.backends->Find(name);
    const auto busy = work.backends.find(std::string(name));
    report.backends.push_back({std::string(name), backend.capabilities().device,
                               busy == work.backends.end() ? 0 : busy->second.any_seconds, backend.Report()});
  }
  if (parts_.meter != nullptr) {
    PowerMeter::Report power = parts_.meter->report();
    report.power = std::move(power.rails);
    report.absent_power = std::move(power.absent);
  }
  report.log = parts_.history->Read();
  if (!options_.details) LeaveOutDetails(&report);
  return report;
}

}  // namespace msq::server
