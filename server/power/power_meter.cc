#include "server/power/power_meter.h"

#include <pthread.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace msq::server {
namespace {

constexpr double kIdleWindowSeconds = 60;
constexpr double kLeastIdleSeconds = 1;  // before it is known what idling takes

// The power at two moments says nothing of what was in between when that was so long, as where the machine slept.
constexpr double kLongestInterval = 90;

double SecondsBetween(PowerMeter::Time from, PowerMeter::Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// "rail 'VCCINT' of 'ina226@2-0040', backend 'fpga'".
std::string NameOf(const PowerMeter::Rail& rail) {
  const std::string part = rail.rail.empty() ? "" : absl::StrCat("rail '", rail.rail, "' of ");
  return absl::StrCat(part, "'", rail.device, "', backend '", rail.backend, "'");
}

// Between two readings of one rail; nothing where they do not tell.
std::optional<double> JoulesBetween(const PowerReading& from, const PowerReading& to, double seconds) {
  if (from.joules && to.joules) return std::max(0.0, *to.joules - *from.joules);
  if (from.watts && to.watts && seconds <= kLongestInterval) return seconds * (*from.watts + *to.watts) / 2;
  return std::nullopt;
}

}  // namespace

void PowerMeter::IdleWindow::Add(double more_joules, double more_seconds) {
  intervals.emplace_back(more_joules, more_seconds);
  joules += more_joules;
  seconds += more_seconds;
  while (seconds - intervals.front().second >= kIdleWindowSeconds) {
    joules -= intervals.front().first;
    seconds -= intervals.front().second;
    intervals.pop_front();
  }
}

std::optional<double> PowerMeter::IdleWindow::watts() const {
  if (seconds < kLeastIdleSeconds) return std::nullopt;
  return std::max(0.0, joules / seconds);
}

PowerMeter::PowerMeter(std::vector<std::unique_ptr<PowerSource>> sources, const ComputeLedger* ledger, Time now)
    : sources_(std::move(sources)), ledger_(*ledger), last_sample_(now), last_work_(ledger->Read(now)) {
  Sample(now);
}

PowerMeter::~PowerMeter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PowerMeter::Start(absl::Duration interval) {
  thread_ = std::thread([this, interval] { Run(interval); });
}

void PowerMeter::Run(absl::Duration interval) {
  pthread_setname_np(pthread_self(), "msqd-power");
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, absl::ToChronoNanoseconds(interval), [this] { return stopping_; })) {
    SampleLocked(std::chrono::steady_clock::now());
  }
}

void PowerMeter::Sample(Time now) {
  std::lock_guard lock(mutex_);
  SampleLocked(now);
}

void PowerMeter::SampleIfOlder(absl::Duration age) {
  std::lock_guard lock(mutex_);
  const Time now = std::chrono::steady_clock::now();
  if (now - last_sample_ >= absl::ToChronoNanoseconds(age)) SampleLocked(now);
}

void PowerMeter::SampleLocked(Time now) {
  last_sample_ = now;
  const Work work = WorkSince(now);
  std::map<std::pair<std::string, std::string>, Interval> intervals;  // by backend and source
  std::set<RailKey> present;
  for (const auto& source : sources_) {
    const std::string name(source->name());
    for (PowerReading& reading : source->Sample(now)) {
      const RailKey key = {reading.backend, reading.device, reading.rail, name};
      if (!present.insert(key).second) continue;  // a source tells nothing twice
      RailState& rail = rails_[key];
      if (!rail.present) {  // new, or there again
        if (!rail.told.source.empty()) LogInfo("power: ", name, " tells ", NameOf(rail.told), " again");
        rail.told.backend = reading.backend;
        rail.told.device = reading.device;
        rail.told.rail = reading.rail;
        rail.told.source = name;
        rail.told.interval_seconds.reset();
      }
      const Interval one = Advance(&rail, reading, now, work);
      Interval& sum = intervals[{reading.backend, name}];
      sum.joules += one.joules;
      sum.idle_joules += one.idle_joules;
      sum.active_joules += one.active_joules;
      sum.seconds = std::max(sum.seconds, one.seconds);
      ++sum.readings;
      sum.rails += one.rails;
      sum.without_idle += one.without_idle;
      rail.last = std::move(reading);
      rail.when = now;
      rail.present = true;
    }
  }
  for (auto& [key, rail] : rails_) {
    const bool was_present = std::exchange(rail.present, present.contains(key));
    if (rail.present) continue;
    intervals[{rail.told.backend, rail.told.source}].lacks_rail = true;
    if (!was_present) continue;  // told already
    // Whatever the reason: a file that cannot be read or is not there, a device in quarantine.
    LogWarning("power: ", rail.told.source, " does not tell ", NameOf(rail.told),
               " any more: what it takes goes uncounted until it does");
  }
  Attribute(work, intervals);
}

PowerMeter::Work PowerMeter::WorkSince(Time now) {
  ComputeLedger::Snapshot is = ledger_.Read(now);
  Work work;
  for (const auto& [backend, usage] : is.backends) {
    const ComputeLedger::BackendUsage was = last_work_.backends[backend];
    const double busy = usage.any_seconds - was.any_seconds;
    work.busy_seconds[backend] = busy;
    work.any = work.any || busy > 0;
    work.batch_seconds[backend] = usage.seconds - was.seconds;
  }
  for (const ComputeLedger::Usage& usage : is.accounts) {
    const auto was = std::find_if(last_work_.accounts.begin(), last_work_.accounts.end(),
                                  [&](const auto& other) { return other.account == usage.account; });
    work.models.emplace_back(usage, usage.seconds - (was == last_work_.accounts.end() ? 0 : was->seconds));
  }
  last_work_ = std::move(is);
  return work;
}

PowerMeter::Interval PowerMeter::Advance(RailState* rail, const PowerReading& reading, Time now,
                                         const Work& work) const {
  Interval interval;
  Rail& told = rail->told;
  const double seconds = SecondsBetween(rail->when, now);
  const std::optional<double> joules =
      rail->present && seconds > 0 ? JoulesBetween(rail->last, reading, seconds) : std::nullopt;
  if (joules) {
    interval = {.joules = *joules, .seconds = seconds, .rails = 1};
    told.joules += *joules;
    told.interval_seconds = seconds;
    if (!work.any) rail->idle.Add(*joules, seconds);
  }
  told.idle_watts = reading.idle_watts ? reading.idle_watts : rail->idle.watts();
  told.watts = reading.watts;
  if (!told.watts && joules) told.watts = *joules / seconds;
  if (!joules) return interval;  // new, there again, or too long ago
  if (!told.idle_watts) {
    interval.without_idle = 1;
    return interval;
  }
  interval.idle_joules = rail->last.idle_joules && reading.idle_joules ? *reading.idle_joules - *rail->last.idle_joules
                                                                       : *told.idle_watts * seconds;
  const auto busy = work.busy_seconds.find(told.backend);
  const bool worked = busy != work.busy_seconds.end() && busy->second > 0;
  if (worked) interval.active_joules = std::max(0.0, interval.joules - interval.idle_joules);
  told.active_joules = told.active_joules.value_or(0) + interval.active_joules;
  return interval;
}

// Each model's part of an interval is its part of the time of batches in it. What idling takes counts for as long as
// something was computed. A part of a backend's rails says nothing of its energy.
void PowerMeter::Attribute(const Work& work, const std::map<std::pair<std::string, std::string>, Interval>& intervals) {
  const auto value = [](const std::map<std::string, double>& map, const std::string& key) {
    const auto found = map.find(key);
    return found == map.end() ? 0.0 : found->second;
  };
  std::map<std::pair<uint64_t, std::string>, ShareState> shares;  // those of closed accounts go
  for (const auto& [usage, seconds] : work.models) {
    for (auto& [key, state] : shares_) {
      if (key.first != usage.account) continue;
      state.present = false;
      shares.insert({key, std::move(state)});
    }
    for (const auto& [key, interval] : intervals) {
      const auto& [backend, source] = key;
      if (usage.backend != backend || interval.lacks_rail) continue;
      ShareState& share = shares[{usage.account, source}];
      if (share.told.source.empty()) share.told = {usage.model, usage.version, backend, source, 0, std::nullopt};
      share.present = true;
      if (interval.rails < interval.readings) continue;  // a rail is new, or there again: what it took is not known
      const double all = value(work.batch_seconds, backend);
      const double part_of_work = all > 0 ? seconds / all : 0;
      const double part_of_time =
          interval.seconds > 0 ? std::min(1.0, value(work.busy_seconds, backend) / interval.seconds) : 0;
      const bool knows_idle = interval.rails > 0 && interval.without_idle == 0;
      const double joules =
          knows_idle ? interval.active_joules + interval.idle_joules * part_of_time : interval.joules * part_of_time;
      share.told.joules += joules * part_of_work;
      if (!knows_idle) continue;
      share.told.active_joules = share.told.active_joules.value_or(0) + interval.active_joules * part_of_work;
    }
  }
  shares_ = std::move(shares);
}

PowerMeter::Report PowerMeter::report() const {
  std::lock_guard lock(mutex_);
  Report report;
  for (const auto& [key, rail] : rails_) {
    if (rail.present) {
      report.rails.push_back(rail.told);
      continue;
    }
    Rail& absent = report.absent.emplace_back(rail.told);
    absent.watts.reset();
    absent.idle_watts.reset();
    absent.interval_seconds.reset();
  }
  for (const auto& [key, share] : shares_) {
    if (share.present) report.shares.push_back(share.told);
  }
  return report;
}

}  // namespace msq::server
