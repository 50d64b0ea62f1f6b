// Turns readings of power sources into energy: per rail, without what idling takes, and per model. The rules are in
// docs/power.md.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/observe/compute_ledger.h"
#include "server/power/power_source.h"

namespace msq::server {

// Thread-safe.
class PowerMeter {
 public:
  using Time = PowerSource::Time;

  // Takes a first sample. The ledger outlives the meter.
  PowerMeter(std::vector<std::unique_ptr<PowerSource>> sources, const ComputeLedger* ledger,
             Time now = std::chrono::steady_clock::now());
  ~PowerMeter();

  // Samples every `interval` from now on, on a thread of its own. Once.
  void Start(absl::Duration interval);
  void Sample(Time now);
  // Samples, unless the last sample is younger than `age`: for whoever is about to look.
  void SampleIfOlder(absl::Duration age);

  struct Rail {
    std::string backend, device, rail, source;
    double joules = 0;                    // since the first sample, without the gaps
    std::optional<double> active_joules;  // of these, beyond idling; nothing while it is not known what idling takes
    std::optional<double> watts, idle_watts;
    std::optional<double> interval_seconds;  // between the last two samples; nothing at the first of a series
  };
  // A model version's part of what a source told of a backend.
  struct Share {
    std::string model, version, backend, source;
    double joules = 0;
    std::optional<double> active_joules;
  };
  struct Report {
    std::vector<Rail> rails;   // that could be read at the last sample
    std::vector<Rail> absent;  // that could be read before: with their energy until then, and nothing of now
    std::vector<Share> shares;
  };
  Report report() const;

 private:
  // What a rail took in intervals without work, the last minute of these.
  struct IdleWindow {
    std::deque<std::pair<double, double>> intervals;  // joules, seconds
    double joules = 0, seconds = 0;

    void Add(double more_joules, double more_seconds);
    std::optional<double> watts() const;
  };
  struct RailState {
    Rail told;
    bool present = false;  // at the last sample
    Time when = {};
    PowerReading last = {};
    IdleWindow idle = {};
  };
  // What the rails of one source took for one backend between two samples.
  struct Interval {
    double joules = 0;
    double idle_joules = 0;    // what idling would have taken
    double active_joules = 0;  // beyond that, where something was computed
    double seconds = 0;
    int readings = 0, rails = 0, without_idle = 0;  // rails: those of which two readings tell what they took
    bool lacks_rail = false;                        // one that could be read before
  };
  // What was computed between two samples.
  struct Work {
    std::map<std::string, double> busy_seconds;  // by backend
    bool any = false;
    std::map<std::string, double> batch_seconds;  // by backend; two at once count twice, closed accounts' count too
    std::vector<std::pair<ComputeLedger::Usage, double>> models;  // with their parts of these
  };
  struct ShareState {
    Share told;
    bool present = false;  // the source, at the last sample
  };
  using RailKey = std::tuple<std::string, std::string, std::string, std::string>;

  void SampleLocked(Time now);
  Work WorkSince(Time now);
  Interval Advance(RailState* rail, const PowerReading& reading, Time now, const Work& work) const;
  void Attribute(const Work& work, const std::map<std::pair<std::string, std::string>, Interval>& intervals);
  void Run(absl::Duration interval);

  const std::vector<std::unique_ptr<PowerSource>> sources_;
  const ComputeLedger& ledger_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  Time last_sample_ = {};
  ComputeLedger::Snapshot last_work_;
  std::map<RailKey, RailState> rails_;
  std::map<std::pair<uint64_t, std::string>, ShareState> shares_;  // by account and source
  std::thread thread_;
};

}  // namespace msq::server
