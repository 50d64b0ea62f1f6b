#include "server/observe/triton_metrics.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "proto/inference.pb.h"
#include "server/observe/metric_families.h"

namespace msq::server {
namespace {

// Shares of a shorter time are noise; so long the last one stands.
constexpr double kLeastSeconds = 0.2;

double Microseconds(const inference::StatisticDuration& duration) {
  return static_cast<double>(duration.ns()) / 1000;
}

LabelMap LabelsOf(const ServedModel& model) {
  return {{"model", model.name()}, {"version", model.version()}};
}

void AddFailures(const ServedModel& model, MetricFamilies* families) {
  using Reason = FailureReason;
  const std::array<std::pair<const char*, std::vector<Reason>>, 4> reasons = {
      {{"REJECTED", {Reason::kQueueFull, Reason::kQueueTimeout}},
       {"CANCELED", {Reason::kCancelled, Reason::kDeadline}},
       {"BACKEND", {Reason::kBackend}},
       {"OTHER", {Reason::kBadRequest}}}};
  for (const auto& [name, ours] : reasons) {
    LabelMap labels = LabelsOf(model);
    labels["reason"] = name;
    uint64_t count = 0;
    for (Reason reason : ours) count += model.statistics().failures(reason);
    families->AddCounter("nv_inference_request_failure",
                         "Number of failed inference requests, all batch sizes, by reason.", labels,
                         static_cast<double>(count));
  }
}

void AddModel(const ServedModel& model, MetricFamilies* families) {
  inference::ModelStatistics statistics;
  model.statistics().Fill(&statistics);
  const inference::InferStatistics& times = statistics.inference_stats();
  const LabelMap labels = LabelsOf(model);
  const auto count = [&](const char* name, const char* help, double value) {
    families->AddCounter(name, help, labels, value);
  };
  count("nv_inference_request_success", "Number of successful inference requests, all batch sizes.",
        static_cast<double>(times.success().count()));
  AddFailures(model, families);
  count("nv_inference_count", "Number of inferences performed; a batch of N counts N.",
        static_cast<double>(statistics.inference_count()));
  count("nv_inference_exec_count", "Number of batches executed.", static_cast<double>(statistics.execution_count()));
  count("nv_inference_request_duration_us", "Cumulative time of successful requests in microseconds.",
        Microseconds(times.success()));
  count("nv_inference_queue_duration_us", "Cumulative time that requests waited in microseconds.",
        Microseconds(times.queue()));
  count("nv_inference_compute_input_duration_us", "Cumulative time of preparing inputs in microseconds.",
        Microseconds(times.compute_input()));
  count("nv_inference_compute_infer_duration_us", "Cumulative time of computing in microseconds.",
        Microseconds(times.compute_infer()));
  count("nv_inference_compute_output_duration_us", "Cumulative time of preparing outputs in microseconds.",
        Microseconds(times.compute_output()));
  families->AddGauge("nv_inference_pending_request_count", "Number of requests that wait for execution.", labels,
                     static_cast<double>(model.waiting()));
  families->AddGauge("nv_model_load_duration_secs", "Time that loading the model took in seconds.", labels,
                     absl::ToDoubleSeconds(model.load_time()));
  if (!model.description().config.response_cache().enable()) return;
  count("nv_cache_num_hits_per_model", "Number of requests that the response cache answered.",
        static_cast<double>(times.cache_hit().count()));
  count("nv_cache_num_misses_per_model", "Number of requests that the response cache could not answer.",
        static_cast<double>(times.cache_miss().count()));
  count("nv_cache_hit_duration_per_model", "Cumulative time of cache hits in microseconds.",
        Microseconds(times.cache_hit()));
  count("nv_cache_miss_duration_per_model", "Cumulative time of cache misses in microseconds.",
        Microseconds(times.cache_miss()));
}

// What a device says of itself.
void AddDevice(const LabelMap& labels, const DeviceReport& device, const std::optional<double>& utilization,
               MetricFamilies* families) {
  const auto tell = [&](const char* name, const char* help, double value) {
    families->AddGauge(name, help, labels, value);
  };
  if (utilization) tell("nv_gpu_utilization", "Device utilization rate [0.0 - 1.0).", *utilization);
  if (device.memory_bytes) {
    tell("nv_gpu_memory_total_bytes", "Device total memory, in bytes.", static_cast<double>(*device.memory_bytes));
  }
  if (device.memory_used_bytes) {
    tell("nv_gpu_memory_used_bytes", "Device used memory, in bytes.", static_cast<double>(*device.memory_used_bytes));
  }
}

// Seconds of all processors together: at work, and in all.
std::optional<std::pair<double, double>> ProcessorTime() {
  std::ifstream stat("/proc/stat");
  std::string line, key;
  if (!std::getline(stat, line)) return std::nullopt;
  std::istringstream fields(line);
  fields >> key;
  double all = 0, idle = 0, ticks = 0;
  for (int i = 0; i < 8 && fields >> ticks; ++i) {  // user nice system idle iowait irq softirq steal
    all += ticks;
    if (i == 3 || i == 4) idle += ticks;
  }
  if (key != "cpu" || all <= 0) return std::nullopt;
  return std::pair(all - idle, all);
}

void AddMachineMemory(MetricFamilies* families) {
  std::ifstream file("/proc/meminfo");
  std::map<std::string, double> kib;
  std::string key, rest;
  double value = 0;
  while (file >> key >> value && std::getline(file, rest)) kib[key] = value;
  if (!kib.contains("MemTotal:") || !kib.contains("MemAvailable:")) return;
  const double total = 1024 * kib["MemTotal:"];
  families->AddGauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes.", {}, total);
  families->AddGauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes.", {},
                     total - 1024 * kib["MemAvailable:"]);
}

}  // namespace

// `of` is the time that there was to be busy in, so far.
void TritonMetrics::Share::Look(Time now, double seconds, double of) {
  if (when && now - *when < std::chrono::duration<double>(kLeastSeconds)) return;
  if (when && of > of_seconds) share = std::clamp((seconds - busy_seconds) / (of - of_seconds), 0.0, 1.0);
  when = now;
  busy_seconds = seconds;
  of_seconds = of;
}

// Which rails these are does not change when one of them cannot be read. Nothing when none can.
std::optional<TritonMetrics::DeviceEnergy> TritonMetrics::EnergyOf(const PowerMeter::Report& power,
                                                                   const std::string& backend,
                                                                   const std::string& device, bool alone) {
  // What was measured before what was estimated.
  for (const char* source : {"hwmon", "xrt", "rapl", "model"}) {
    for (const bool by_name : {true, false}) {
      if (!by_name && !alone) continue;
      const auto is_one = [&](const PowerMeter::Rail& rail) {
        return rail.backend == backend && rail.source == source && (!by_name || rail.device == device);
      };
      DeviceEnergy energy = {.of = {source, by_name}, .watts = {}, .joules = 0};
      int present = 0, absent = 0, told = 0;
      for (const PowerMeter::Rail& rail : power.rails) {
        if (!is_one(rail)) continue;
        ++present;
        energy.joules += rail.joules;
        if (!rail.watts) continue;
        ++told;
        energy.watts = energy.watts.value_or(0) + *rail.watts;
      }
      for (const PowerMeter::Rail& rail : power.absent) {
        if (!is_one(rail)) continue;
        ++absent;
        energy.joules += rail.joules;
      }
      if (told < present + absent) energy.watts.reset();
      if (present > 0) return energy;
      if (absent > 0) return std::nullopt;
    }
  }
  return std::nullopt;
}

void TritonMetrics::EnergyCounter::Look(const DeviceEnergy& energy) {
  if (of.first.empty()) {
    joules = energy.joules;
  } else if (of == energy.of) {
    joules += std::max(0.0, energy.joules - last_joules);
  }
  of = energy.of;
  last_joules = energy.joules;
}

std::vector<prometheus::MetricFamily> TritonMetrics::Collect(Time now) const {
  std::lock_guard lock(mutex_);
  MetricFamilies families;
  for (const auto& model : parts_.repository->ReadyModels("")) AddModel(*model, &families);
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  const PowerMeter::Report power = parts_.meter == nullptr ? PowerMeter::Report() : parts_.meter->report();
  for (std::string_view name : parts_.backends->names()) {
    const std::string backend(name);
    const std::vector<DeviceReport> devices = (*parts_.backends->Find(name))->Report().devices;
    for (const DeviceReport& device : devices) {
      const std::string uuid = "FPGA-" + device.name;
      Share& utilization = devices_[uuid];
      utilization.Look(now, absl::ToDoubleSeconds(device.running), seconds);
      const LabelMap labels = {{"gpu_uuid", uuid}};
      AddDevice(labels, device, utilization.share, &families);
      const auto energy = EnergyOf(power, backend, device.name, devices.size() == 1);
      if (!energy) continue;
      EnergyCounter& counter = energies_[uuid];
      counter.Look(*energy);
      if (energy->watts) {
        families.AddGauge("nv_gpu_power_usage", "Device power usage in watts.", labels, *energy->watts);
      }
      families.AddCounter("nv_energy_consumption", "Device energy consumption in joules since the server started.",
                          labels, counter.joules);
    }
  }
  if (const auto time = ProcessorTime()) processor_.Look(now, time->first, time->second);
  if (processor_.share) {
    families.AddGauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0].", {}, *processor_.share);
  }
  AddMachineMemory(&families);
  return families.Take();
}

}  // namespace msq::server
