#include "clients/bench/server_snapshot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace msq::bench {
namespace {

constexpr std::array<std::string_view, 5> kPhases = {"decode", "queue", "gather", "compute", "encode"};

void TakeModelSeries(const Series& series, ModelCounters* counters) {
  if (series.name == "msq_requests_total") counters->requests += series.value;
  if (series.name == "msq_images_total") counters->images += series.value;
  if (series.name == "msq_batch_size_count") counters->batch_sizes.count += series.value;
  if (series.name == "msq_batch_size_sum") counters->batch_sizes.sum += series.value;
  if (series.name == "msq_request_duration_seconds_sum") counters->phases_s[series.Label("phase")].sum += series.value;
  if (series.name == "msq_request_duration_seconds_count") {
    counters->phases_s[series.Label("phase")].count += series.value;
  }
  double bound = 0;
  if (series.name == "msq_batch_size_bucket" && absl::SimpleAtod(series.Label("le"), &bound)) {
    counters->batches_up_to_size[bound] += series.value;
  }
}

void TakeRailSeries(const Series& series, std::map<RailKey, Rail>* rails) {
  std::optional<double> Rail::*field = nullptr;
  if (series.name == "msq_energy_joules_total") field = &Rail::energy_j;
  if (series.name == "msq_active_energy_joules_total") field = &Rail::active_energy_j;
  if (series.name == "msq_power_watts") field = &Rail::power_w;
  if (field == nullptr || !std::isfinite(series.value)) return;
  const RailKey key{series.Label("backend"), series.Label("source"), series.Label("device"), series.Label("rail")};
  (*rails)[key].*field = series.value;
}

// `last` - `first`, field by field.
ModelCounters Difference(const ModelCounters& last, const ModelCounters& first) {
  ModelCounters result{.requests = last.requests - first.requests,
                       .images = last.images - first.images,
                       .batch_sizes = {.sum = last.batch_sizes.sum - first.batch_sizes.sum,
                                       .count = last.batch_sizes.count - first.batch_sizes.count},
                       .phases_s = last.phases_s,
                       .batches_up_to_size = last.batches_up_to_size};
  for (auto& [phase, total] : result.phases_s) {
    const auto before = first.phases_s.find(phase);
    if (before == first.phases_s.end()) continue;
    total.sum -= before->second.sum;
    total.count -= before->second.count;
  }
  for (auto& [bound, count] : result.batches_up_to_size) {
    const auto before = first.batches_up_to_size.find(bound);
    if (before != first.batches_up_to_size.end()) count -= before->second;
  }
  return result;
}

std::string NameOf(const RailKey& rail) {
  return absl::StrCat(rail.device, rail.rail.empty() ? "" : "/", rail.rail);
}

// Adds what one rail took to its source's energy, or says why there is none.
void AddRail(const RailKey& key, std::span<const ServerSnapshot> snapshots, Energy* energy) {
  for (const ServerSnapshot& snapshot : snapshots) {
    const auto found = snapshot.rails.find(key);
    if (found != snapshot.rails.end() && found->second.energy_j.has_value()) continue;
    energy->dropped = absl::StrCat("the sensor ", NameOf(key), " vanished");
    return;
  }
  const Rail& first = snapshots.front().rails.at(key);
  const Rail& last = snapshots.back().rails.at(key);
  if (*last.energy_j < *first.energy_j) {
    energy->dropped = absl::StrCat("the counter of ", NameOf(key), " was set back");
    return;
  }
  energy->joules += *last.energy_j - *first.energy_j;
  if (!first.active_energy_j.has_value() || !last.active_energy_j.has_value()) {
    energy->active_joules.reset();
  } else if (energy->active_joules.has_value()) {
    *energy->active_joules += std::max(0.0, *last.active_energy_j - *first.active_energy_j);
  }
}

}  // namespace

ServerSnapshot MakeSnapshot(const std::vector<Series>& series, const std::string& model, double time_s) {
  ServerSnapshot snapshot{.time_s = time_s, .models = {}, .rails = {}, .process_start_s = 0};
  for (const Series& one : series) {
    if (one.name == "process_start_time_seconds") snapshot.process_start_s = one.value;
    if (one.Label("model") == model && !one.Label("backend").empty() && std::isfinite(one.value)) {
      TakeModelSeries(one, &snapshot.models[one.Label("backend")]);
    }
    TakeRailSeries(one, &snapshot.rails);
  }
  return snapshot;
}

void ServerWork::Add(const ServerWork& other) {
  counters.requests += other.counters.requests;
  counters.images += other.counters.images;
  counters.batch_sizes.sum += other.counters.batch_sizes.sum;
  counters.batch_sizes.count += other.counters.batch_sizes.count;
  for (const auto& [phase, total] : other.counters.phases_s) {
    counters.phases_s[phase].sum += total.sum;
    counters.phases_s[phase].count += total.count;
  }
  for (const auto& [bound, count] : other.counters.batches_up_to_size) counters.batches_up_to_size[bound] += count;
}

std::optional<BatchSizes> ServerWork::Batches() const {
  const auto& [sum, count] = counters.batch_sizes;
  if (sum <= 0 || count <= 0) return std::nullopt;
  BatchSizes sizes{.mean = sum / count, .buckets = {}};
  double before = 0;
  for (const auto& [bound, cumulative] : counters.batches_up_to_size) {
    if (cumulative > before) sizes.buckets.emplace_back(bound, cumulative - before);
    before = cumulative;
  }
  return sizes;
}

std::vector<Phase> ServerWork::Phases() const {
  std::vector<Phase> phases;
  for (const std::string_view name : kPhases) {
    const auto found = counters.phases_s.find(std::string(name));
    if (found == counters.phases_s.end() || found->second.count <= 0) continue;
    phases.push_back({std::string(name), found->second.sum / found->second.count * 1e3});
  }
  return phases;
}

Interval Between(std::span<const ServerSnapshot> snapshots) {
  const ServerSnapshot& first = snapshots.front();
  const ServerSnapshot& last = snapshots.back();
  Interval interval;
  if (first.process_start_s != last.process_start_s) {
    interval.dropped = "the server was started anew";
    return interval;
  }
  for (const auto& [backend, counters] : last.models) {
    const auto before = first.models.find(backend);
    const ModelCounters work = Difference(counters, before == first.models.end() ? ModelCounters() : before->second);
    if (work.requests < 0 || work.images < 0 || work.batch_sizes.count < 0) {
      interval.dropped = "the model's counters were set back, as by loading it anew";
      interval.work.clear();
      return interval;
    }
    interval.work[backend].counters = work;
  }
  std::set<RailKey> rails;
  for (const ServerSnapshot& snapshot : snapshots) {
    for (const auto& [key, rail] : snapshot.rails) {
      if (rail.energy_j.has_value()) rails.insert(key);
    }
  }
  for (const RailKey& key : rails) {
    const auto [entry, is_new] = interval.energy.try_emplace(EnergyKey{key.backend, key.source});
    if (is_new) entry->second.active_joules = 0;
    if (entry->second.dropped.empty()) AddRail(key, snapshots, &entry->second);
  }
  for (auto& [key, energy] : interval.energy) {
    const auto work = interval.work.find(key.backend);
    if (work != interval.work.end()) energy.images = work->second.counters.images;
  }
  return interval;
}

std::string MissedLooksNote(std::span<const ServerSnapshot> history) {
  size_t missed = 0;
  std::string cause;
  for (const ServerSnapshot& snapshot : history) {
    if (snapshot.missed.empty()) continue;
    ++missed;
    if (cause.empty()) cause = snapshot.missed;
  }
  if (missed == 0) return "";
  return absl::StrCat(
      missed, " of ", history.size(),
      " looks at the server's metrics failed: there is no power of these times. The first one: ", cause);
}

std::optional<double> PowerOf(const ServerSnapshot& snapshot, const EnergyKey& key, const std::vector<RailKey>& known) {
  double watts = 0;
  bool any = false;
  for (const RailKey& rail : known) {
    if (rail.backend != key.backend || rail.source != key.source) continue;
    const auto found = snapshot.rails.find(rail);
    if (found == snapshot.rails.end() || !found->second.power_w.has_value()) return std::nullopt;
    watts += *found->second.power_w;
    any = true;
  }
  if (!any) return std::nullopt;
  return watts;
}

}  // namespace msq::bench
