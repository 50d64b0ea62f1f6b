#include "server/observe/device_metrics.h"

#include <utility>

namespace msq::server {
namespace {

using Label = prometheus::ClientMetric::Label;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(const char* name, const char* help, MetricType type = MetricType::Counter) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

struct Families {
  MetricFamily ready =
      Family("msq_device_ready", "1 while the device serves, 0 while it is quarantined.", MetricType::Gauge);
  MetricFamily quarantines = Family("msq_device_quarantines_total", "Times that the device was taken out of service.");
  MetricFamily runs = Family("msq_device_runs_total", "Batches that the device has run.");
  MetricFamily busy =
      Family("msq_device_busy_seconds_total", "Time that batches were on the device, waiting included.");
  MetricFamily cycles = Family("msq_device_cycles_total", "Clock cycles in which the accelerator ran a program.");
  MetricFamily engines =
      Family("msq_device_engine_busy_cycles_total", "Of these, cycles that gave the engine something to do.");
  MetricFamily dram = Family("msq_device_dram_bytes_total", "Bytes that the accelerator moved from and to its memory.");
  MetricFamily verified =
      Family("msq_verified_answers_total", "Answers that were computed again on the CPU and compared.");
  MetricFamily mismatches = Family("msq_verification_mismatches_total", "Of these, answers that differed.");
  MetricFamily unverified = Family("msq_unverified_answers_total",
                                   "Answers that were to be compared and were not, for lack of time or memory.");
};

void Add(MetricFamily* family, std::vector<Label> labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (family->type == MetricType::Gauge) {
    metric.gauge.value = value;
  } else {
    metric.counter.value = value;
  }
  family->metric.push_back(std::move(metric));
}

void AddDevice(const std::string& backend, const DeviceReport& device, Families* families) {
  const std::vector<Label> labels = {{"backend", backend}, {"device", device.name}};
  const auto add = [&](MetricFamily* family, auto value) { Add(family, labels, static_cast<double>(value)); };
  add(&families->ready, device.ready ? 1 : 0);
  add(&families->quarantines, device.quarantines);
  add(&families->runs, device.runs);
  add(&families->busy, absl::ToDoubleSeconds(device.busy));
  add(&families->cycles, device.cycles);
  add(&families->dram, device.dram_bytes);
  for (const auto& [engine, cycles] :
       {std::pair("dsp", device.dsp_busy_cycles), std::pair("lut", device.lut_busy_cycles)}) {
    std::vector<Label> of_engine = labels;
    of_engine.push_back({"engine", engine});
    Add(&families->engines, std::move(of_engine), static_cast<double>(cycles));
  }
}

}  // namespace

std::vector<MetricFamily> DeviceMetrics::Collect() const {
  Families families;
  for (std::string_view name : backends_.names()) {
    const BackendReport report = (*backends_.Find(name))->Report();
    if (report.devices.empty()) continue;
    const std::string backend(name);
    for (const DeviceReport& device : report.devices) AddDevice(backend, device, &families);
    Add(&families.verified, {{"backend", backend}}, static_cast<double>(report.verified));
    Add(&families.mismatches, {{"backend", backend}}, static_cast<double>(report.mismatches));
    Add(&families.unverified, {{"backend", backend}}, static_cast<double>(report.unverified));
  }
  std::vector<MetricFamily> collected;
  for (MetricFamily* family :
       {&families.ready, &families.quarantines, &families.runs, &families.busy, &families.cycles, &families.engines,
        &families.dram, &families.verified, &families.mismatches, &families.unverified}) {
    if (!family->metric.empty()) collected.push_back(std::move(*family));
  }
  return collected;
}

}  // namespace msq::server
