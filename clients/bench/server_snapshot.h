// What the server's /metrics told at one moment of one model: counters by backend, rails of power; and what two such
// moments say of the time between them. Nothing here fills a gap: what was not told has no figure, and a reason instead.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "clients/bench/prometheus_text.h"

namespace msq::bench {

// A sum of durations, or of sizes, and how many they are.
struct Total {
  double sum = 0, count = 0;
};

struct ModelCounters {
  double requests = 0, images = 0;
  Total batch_sizes = {};
  std::map<std::string, Total> phases_s = {};        // by phase
  std::map<double, double> batches_up_to_size = {};  // cumulative, as the histogram has them
};

struct RailKey {
  std::string backend = {}, source = {}, device = {}, rail = {};
  bool operator==(const RailKey&) const = default;
  bool operator<(const RailKey& other) const {
    return std::tie(backend, source, device, rail) < std::tie(other.backend, other.source, other.device, other.rail);
  }
};

struct Rail {
  std::optional<double> energy_j = {}, active_energy_j = {}, power_w = {};
};

struct ServerSnapshot {
  double time_s = 0;                                 // since the measurement began
  std::map<std::string, ModelCounters> models = {};  // by backend
  std::map<RailKey, Rail> rails = {};
  double process_start_s = 0;  // another value: another process
  std::string missed = {};     // why the page could not be had, if it could not: then there is only the time
};

// Versions of the model are added up.
ServerSnapshot MakeSnapshot(const std::vector<Series>& series, const std::string& model, double time_s);

struct Phase {
  std::string name = {};
  double mean_ms = 0;
};

struct BatchSizes {
  double mean = 0;
  // (largest size of the bucket, batches in it), those that are not empty; infinity for the last one.
  std::vector<std::pair<double, double>> buckets = {};
};

// What one backend did between two moments; summed over rounds.
struct ServerWork {
  ModelCounters counters;
  void Add(const ServerWork& other);
  std::optional<BatchSizes> Batches() const;
  std::vector<Phase> Phases() const;  // those that occurred, in a request's order
};

struct EnergyKey {
  std::string backend = {}, source = {};
  bool operator==(const EnergyKey&) const = default;
  bool operator<(const EnergyKey& other) const {
    return std::tie(backend, source) < std::tie(other.backend, other.source);
  }
};

// Energy of one backend by one source between two moments, all its devices and rails together.
struct Energy {
  double joules = 0, images = 0;
  std::optional<double> active_joules = {};  // beyond idling
  std::string dropped = {};                  // why there is no figure, if there is none
};

struct Interval {
  std::map<std::string, ServerWork> work = {};  // by backend
  std::map<EnergyKey, Energy> energy = {};
  std::string dropped = {};  // why there is nothing at all, if there is nothing
};

// Of at least two snapshots in order, the first and the last of which are the edges. A rail that any of them lacks and
// another one has takes its source's figure away, as do counters that fall.
Interval Between(std::span<const ServerSnapshot> snapshots);

// Of looks some of which may have been missed; empty where none was.
std::string MissedLooksNote(std::span<const ServerSnapshot> history);

// Power of one backend by one source at one moment; none where a rail that `known` has is missing.
std::optional<double> PowerOf(const ServerSnapshot& snapshot, const EnergyKey& key, const std::vector<RailKey>& known);

}  // namespace msq::bench
