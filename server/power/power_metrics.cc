#include "server/power/power_metrics.h"

#include "server/observe/metric_families.h"

namespace msq::server {
namespace {

// Sensors tell little that is new in less, and several scrapers may come at once.
constexpr absl::Duration kFresh = absl::Milliseconds(50);

void AddRail(const PowerMeter::Rail& rail, MetricFamilies* families) {
  const LabelMap labels = {
      {"backend", rail.backend}, {"device", rail.device}, {"rail", rail.rail}, {"source", rail.source}};
  families->AddCounter("msq_energy_joules_total", "Energy that the rail took while it could be read.", labels,
                       rail.joules);
  if (rail.active_joules) {
    families->AddCounter("msq_active_energy_joules_total", "Of this, energy beyond idling while the backend computed.",
                         labels, *rail.active_joules);
  }
  if (rail.watts) {
    families->AddGauge("msq_power_watts", "Power of the rail: now, or the mean of the last interval.", labels,
                       *rail.watts);
  }
  if (rail.idle_watts) {
    families->AddGauge("msq_idle_power_watts", "Mean power of the rail while nothing was computed.", labels,
                       *rail.idle_watts);
  }
  if (rail.interval_seconds) {
    families->AddGauge("msq_power_sample_interval_seconds", "Time between the last two readings of the rail.", labels,
                       *rail.interval_seconds);
  }
}

void AddShare(const PowerMeter::Share& share, MetricFamilies* families) {
  const LabelMap labels = {
      {"backend", share.backend}, {"model", share.model}, {"source", share.source}, {"version", share.version}};
  families->AddCounter("msq_inference_energy_joules_total",
                       "The model's share of the backend's energy, idling included while it computed.", labels,
                       share.joules);
  if (!share.active_joules) return;
  families->AddCounter("msq_inference_active_energy_joules_total",
                       "The model's share of the backend's energy beyond idling.", labels, *share.active_joules);
}

}  // namespace

std::vector<prometheus::MetricFamily> PowerMetrics::Collect() const {
  meter_.SampleIfOlder(kFresh);
  const PowerMeter::Report report = meter_.report();
  MetricFamilies families;
  for (const PowerMeter::Rail& rail : report.rails) AddRail(rail, &families);
  for (const PowerMeter::Share& share : report.shares) AddShare(share, &families);
  return families.Take();
}

}  // namespace msq::server
