#include "server/power/rapl_source.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace msq::server {
namespace {

constexpr char kFolder[] = "class/powercap";
constexpr std::string_view kZone = "intel-rapl:";  // AMD's too

}  // namespace

// Top zones are packages; `psys` overlaps them. Of a package's parts only the memory is beside it, cores and graphics are
// in it.
std::vector<PowerReading> RaplSource::Sample(Time now) {
  std::vector<PowerReading> readings;
  std::map<std::string, std::string> packages;  // names by zone
  const std::vector<std::string> zones = files_.List(kFolder);
  for (auto& [zone, counter] : counters_) {
    if (!std::binary_search(zones.begin(), zones.end(), zone)) counter.microjoules.reset();
  }
  for (const std::string& zone : zones) {  // sorted: a zone comes before its parts
    if (!zone.starts_with(kZone)) continue;
    const auto name = files_.Read(absl::StrCat(kFolder, "/", zone, "/name"));
    if (!name.ok()) continue;
    const size_t part = zone.find(':', kZone.size());
    if (part == zone.npos && name->starts_with("package")) {
      packages[zone] = *name;
      SampleZone(zone, *name, "package", now, &readings);
    } else if (part != zone.npos && *name == "dram") {
      const auto package = packages.find(zone.substr(0, part));
      if (package != packages.end()) SampleZone(zone, package->second, "dram", now, &readings);
    }
  }
  return readings;
}

void RaplSource::SampleZone(const std::string& zone, const std::string& device, const std::string& rail, Time now,
                            std::vector<PowerReading>* readings) {
  const std::string path = absl::StrCat(kFolder, "/", zone, "/energy_uj");
  const auto energy = files_.ReadInteger(path);
  failures_.Note(path, energy.status());
  Counter& counter = counters_[zone];
  if (!energy.ok()) {
    counter.microjoules.reset();
    return;
  }
  const std::optional<double> passed = counter.microjoules ? Passed(zone, counter, *energy, now) : 0;
  counter.microjoules = *energy;
  counter.when = now;
  if (!passed) return;  // a gap: what follows is told again
  counter.joules += *passed;
  readings->push_back({.backend = backend_, .device = device, .rail = rail, .joules = counter.joules});
}

// Joules since the counter was read; nothing where it was set back, as drivers do when a machine wakes up: it seems to have
// wrapped, but would mean more than anything draws. Sampled often enough it wraps once at most: the
// smallest range, 65 kJ, takes minutes.
std::optional<double> RaplSource::Passed(const std::string& zone, const Counter& counter, int64_t microjoules,
                                         Time now) const {
  int64_t passed = microjoules - *counter.microjoules;
  if (passed < 0) {
    const auto range = files_.ReadInteger(absl::StrCat(kFolder, "/", zone, "/max_energy_range_uj"));
    if (!range.ok()) return std::nullopt;
    passed += *range;
  }
  const double seconds = std::chrono::duration<double>(now - counter.when).count();
  const double joules = 1e-6 * static_cast<double>(passed);
  return joules >= 0 && joules <= kMostWatts * seconds ? std::optional(joules) : std::nullopt;
}

}  // namespace msq::server
