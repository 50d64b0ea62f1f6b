#include "server/observe/trace.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr size_t kMaxRequestIdBytes = 1024;
constexpr uint64_t kMaxIndexedFiles = 1000;
constexpr const char* kPointNames[kTracePointCount] = {
    "REQUEST_START",        "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END",
    "COMPUTE_OUTPUT_START", "COMPUTE_END", "REQUEST_END",
};

// As Triton: one object says which request, another when.
std::string ToItems(const TraceRecord& record) {
  using Json = nlohmann::ordered_json;
  Json request = {{"id", record.id}, {"model_name", record.model}, {"model_version", record.version}};
  if (!record.request_id.empty()) request["request_id"] = record.request_id.substr(0, kMaxRequestIdBytes);
  if (!record.backend.empty()) request["backend"] = record.backend;
  Json timestamps = Json::array();
  for (int i = 0; i < kTracePointCount; ++i) {
    if (record.at_ns[i] != 0) timestamps.push_back({{"name", kPointNames[i]}, {"ns", record.at_ns[i]}});
  }
  const Json times = {{"id", record.id}, {"timestamps", std::move(timestamps)}};
  const auto text = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  return text(request) + "," + text(times);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tracer>> Tracer::Create(const std::string& trace_file, const TraceSettingMap& defaults) {
  namespace fs = std::filesystem;
  if (!trace_file.empty()) {
    std::error_code error;
    const fs::path folder = fs::path(trace_file).parent_path();
    if (fs::is_directory(trace_file, error)) return InvalidArgument("trace file ", trace_file, " is a folder");
    if (!folder.empty() && !fs::is_directory(folder, error)) {
      return InvalidArgument("trace file ", trace_file, ": there is no folder ", folder.string());
    }
  }
  std::unique_ptr<Tracer> tracer(new Tracer(trace_file));
  tracer->defaults_ = {false, 1000, -1, 0};
  TraceSettings given;
  MSQ_RETURN_IF_ERROR(given.Update(defaults));
  tracer->defaults_ = given.Over(tracer->defaults_);
  MSQ_RETURN_IF_ERROR(tracer->Update("", {}));
  return tracer;
}

absl::Status Tracer::Check(const TraceSettings& in_force) const {
  if (!*in_force.timestamps || !trace_file_.empty()) return absl::OkStatus();
  return InvalidArgument("Attempting to set invalid trace setting: the server was started without a trace file");
}

TraceSettingMap Tracer::Get(std::string_view model) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(model);
  return ToMap(found == models_.end() ? global_.in_force : found->second.in_force, trace_file_);
}

absl::Status Tracer::Update(std::string_view model, const TraceSettingMap& changes) {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(model);
  Sampler updated;
  if (model.empty()) {
    updated.own = global_.own;
  } else if (found != models_.end()) {
    updated.own = found->second.own;
  }
  MSQ_RETURN_IF_ERROR(updated.own.Update(changes));
  updated.in_force = updated.own.Over(model.empty() ? defaults_ : global_.in_force);
  MSQ_RETURN_IF_ERROR(Check(updated.in_force));
  if (model.empty()) {
    global_ = updated;
    for (auto& [name, sampler] : models_) sampler = {sampler.own, sampler.own.Over(global_.in_force)};
  } else if (updated.own == TraceSettings()) {
    if (found != models_.end()) models_.erase(found);
  } else {
    models_[std::string(model)] = updated;
  }
  failed_ = false;
  UpdateActive();
  return absl::OkStatus();
}

void Tracer::UpdateActive() {
  const auto may_sample = [](const auto& entry) { return entry.second.MaySample(); };
  active_ = !failed_ && (global_.MaySample() || std::any_of(models_.begin(), models_.end(), may_sample));
}

uint64_t Tracer::SampleActive(std::string_view model) {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(model);
  Sampler& sampler = found == models_.end() ? global_ : found->second;
  if (failed_ || !sampler.MaySample() || ++sampler.seen % *sampler.in_force.rate != 0) return 0;
  if (*sampler.in_force.count > 0 && --*sampler.in_force.count == 0) UpdateActive();
  return ++last_id_;
}

void Tracer::Write(const TraceRecord& record) {
  std::string key;
  uint32_t log_frequency = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    const auto found = models_.find(record.model);
    if (found != models_.end()) key = record.model;
    log_frequency = *(found == models_.end() ? global_ : found->second).in_force.log_frequency;
  }
  const absl::Status status = Append(key, log_frequency, ToItems(record));
  if (status.ok()) return;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = !std::exchange(failed_, true);
    UpdateActive();
  }
  if (first) LogError("tracing pauses until its settings are updated: ", status.message());
}

absl::Status Tracer::Append(const std::string& key, uint32_t log_frequency, std::string_view items) {
  const std::lock_guard lock(file_mutex_);
  if (log_frequency == 0) {
    if (!file_.is_open()) MSQ_RETURN_IF_ERROR(file_.Open(trace_file_));
    return file_.Append(items);
  }
  IndexedFile& indexed = indexed_[key];
  if (!indexed.file.is_open()) {
    if (next_index_ == kMaxIndexedFiles) {
      return absl::ResourceExhaustedError(
          absl::StrCat(trace_file_, ": log_frequency has made ", kMaxIndexedFiles, " files, and makes no more"));
    }
    MSQ_RETURN_IF_ERROR(indexed.file.Open(absl::StrCat(trace_file_, ".", next_index_++)));
    indexed.traces = 0;
  }
  MSQ_RETURN_IF_ERROR(indexed.file.Append(items));
  if (++indexed.traces >= log_frequency) indexed.file.Close();
  return absl::OkStatus();
}

}  // namespace msq::server
