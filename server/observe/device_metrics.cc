#include "server/observe/device_metrics.h"

#include <utility>

#include "server/observe/metric_families.h"

namespace msq::server {
namespace {

void AddMemory(const LabelMap& labels, const DeviceReport& device, MetricFamilies* families) {
  if (device.memory_bytes) {
    families->AddGauge("msq_device_memory_bytes", "Memory of the device that buffers may take.", labels,
                       static_cast<double>(*device.memory_bytes));
  }
  if (device.memory_used_bytes) {
    families->AddGauge("msq_device_memory_used_bytes", "Memory of the device that buffers take.", labels,
                       static_cast<double>(*device.memory_used_bytes));
  }
}

void AddDevice(const std::string& backend, const DeviceReport& device, MetricFamilies* families) {
  const LabelMap labels = {{"backend", backend}, {"device", device.name}};
  const auto count = [&](const char* name, const char* help, auto value) {
    families->AddCounter(name, help, labels, static_cast<double>(value));
  };
  families->AddGauge("msq_device_ready", "1 while the device serves, 0 while it is quarantined.", labels,
                     device.ready ? 1 : 0);
  count("msq_device_quarantines_total", "Times that the device was taken out of service.", device.quarantines);
  count("msq_device_runs_total", "Batches that the device has run.", device.runs);
  count("msq_device_busy_seconds_total", "Time that batches were on the device, waiting included.",
        absl::ToDoubleSeconds(device.busy));
  count("msq_device_running_seconds_total", "Time in which the accelerator ran a program, by the host's clock.",
        absl::ToDoubleSeconds(device.running));
  count("msq_device_cycles_total", "Clock cycles in which the accelerator ran a program.", device.cycles);
  for (const auto& [engine, cycles] :
       {std::pair("dsp", device.dsp_busy_cycles), std::pair("lut", device.lut_busy_cycles)}) {
    LabelMap of_engine = labels;
    of_engine["engine"] = engine;
    families->AddCounter("msq_device_engine_busy_cycles_total",
                         "Of these, cycles that gave the engine something to do.", of_engine,
                         static_cast<double>(cycles));
  }
  count("msq_device_dram_bytes_total", "Bytes that the accelerator moved from and to its memory.", device.dram_bytes);
  if (device.clock_hz) {
    families->AddGauge("msq_device_clock_hertz", "Clock of the accelerator.", labels, *device.clock_hz);
  }
  AddMemory(labels, device, families);
}

}  // namespace

std::vector<prometheus::MetricFamily> DeviceMetrics::Collect() const {
  MetricFamilies families;
  for (std::string_view name : backends_.names()) {
    const BackendReport report = (*backends_.Find(name))->Report();
    if (report.devices.empty()) continue;
    const std::string backend(name);
    for (const DeviceReport& device : report.devices) AddDevice(backend, device, &families);
    const auto count = [&](const char* name, const char* help, int64_t value) {
      families.AddCounter(name, help, {{"backend", backend}}, static_cast<double>(value));
    };
    count("msq_verified_answers_total", "Answers that were computed again on the CPU and compared.", report.verified);
    count("msq_verification_mismatches_total", "Of these, answers that differed.", report.mismatches);
    count("msq_unverified_answers_total", "Answers that were to be compared and were not, for lack of time or memory.",
          report.unverified);
  }
  return families.Take();
}

}  // namespace msq::server
