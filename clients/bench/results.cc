#include "clients/bench/results.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace msq::bench {
namespace {

// Of some rounds those that were ended early, or to which nothing but errors came, are none.
std::vector<const Round*> MeasuredOf(const std::vector<Round>& rounds) {
  std::vector<const Round*> measured;
  for (const Round& round : rounds) {
    if (round.load.seconds > 0) measured.push_back(&round);
  }
  return measured;
}

// Of a round that measured something.
RoundFigures FiguresOf(const Level& level, const LoadResult& load) {
  RoundFigures figures{.answers_per_s = static_cast<double>(load.answers) / load.seconds,
                       .p50_ms = load.latencies.QuantileMs(0.5).value_or(0)};
  if (level.open() && load.due > 0) {
    figures.answered_share = static_cast<double>(load.latencies.count()) / static_cast<double>(load.due);
  }
  return figures;
}

// Energy of the rounds that count; a source has a figure when each of them has one.
void AddEnergy(std::span<const Round* const> rounds, Row* row, std::vector<std::string>* notes) {
  std::map<EnergyKey, EnergyFigure> figures;
  std::map<EnergyKey, std::string> dropped;
  for (const Round* round : rounds) {
    for (const auto& [key, energy] : round->server->energy) {
      if (!row->backend.empty() && key.backend != row->backend) continue;
      figures.try_emplace(key, EnergyFigure{.key = key, .joules = 0, .images = 0, .active_joules = 0});
    }
  }
  for (auto& [key, figure] : figures) {
    for (const Round* round : rounds) {
      const auto found = round->server->energy.find(key);
      if (found == round->server->energy.end()) {
        dropped[key] = "the sensor was not there all the time";
        continue;
      }
      const Energy& energy = found->second;
      if (!energy.dropped.empty()) dropped[key] = energy.dropped;
      figure.joules += energy.joules;
      figure.images += energy.images;
      if (!energy.active_joules.has_value()) figure.active_joules.reset();
      if (figure.active_joules.has_value()) *figure.active_joules += *energy.active_joules;
    }
    if (figure.images <= 0) continue;  // another backend's, while this one was under load
    if (figure.joules <= 0 && dropped.count(key) == 0) dropped[key] = "its counter did not move";
    if (dropped.count(key) != 0) {
      notes->push_back(absl::StrCat(row->Name(), ": no energy by ", key.source, ": ", dropped[key]));
    } else {
      // What sums of thousands of readings differ by is no energy.
      if (figure.active_joules.has_value() && *figure.active_joules < figure.joules * 1e-9) figure.active_joules = 0;
      row->energy.push_back(figure);
    }
  }
}

void AddServerWork(std::span<const Round* const> rounds, Row* row, std::vector<std::string>* notes) {
  for (const Round* round : rounds) {
    if (!round->server.has_value() || !round->server->dropped.empty()) {
      const std::string& cause = round->server.has_value() ? round->server->dropped : round->no_server;
      if (!cause.empty()) {
        notes->push_back(absl::StrCat(row->Name(), ": no figures of the server and no energy: ", cause));
      }
      return;
    }
  }
  ServerWork all;
  for (const Round* round : rounds) {
    for (const auto& [backend, work] : round->server->work) {
      if (row->backend.empty() || row->backend == backend) all.Add(work);
    }
  }
  row->phases = all.Phases();
  row->batch_sizes = all.Batches();
  AddEnergy(rounds, row, notes);
}

void NoteErrors(const Row& row, std::vector<std::string>* notes) {
  if (row.errors.empty()) return;
  std::string counts;
  for (const auto& [code, count] : row.errors) {
    absl::StrAppend(&counts, counts.empty() ? "" : ", ", count, " times ", code);
  }
  notes->push_back(absl::StrCat(row.Name(), ": requests failed (", counts,
                                "); they have no part in the latencies. The ", "first one: ", row.first_error));
}

void NoteUnmeasured(const Row& row, const std::vector<Round>& rounds, std::vector<std::string>* notes) {
  for (size_t i = 0; i < rounds.size(); ++i) {
    const LoadResult& load = rounds[i].load;
    if (load.seconds > 0) continue;
    notes->push_back(absl::StrCat(row.Name(), ": round ", i + 1, load.gave_up ? " ended early and" : "",
                                  " does not count: nothing but errors came in the end, such as: ", load.end_cause));
  }
  if (row.seconds > 0 && row.answers == 0) notes->push_back(absl::StrCat(row.Name(), ": ", row.NothingText()));
}

}  // namespace

std::string LevelNumber(const Level& level) {
  return level.open() ? absl::StrFormat("%.10g", level.rate_per_s) : absl::StrCat(level.concurrency);
}

std::string LevelName(const Level& level) {
  return level.open() ? absl::StrCat("rate ", LevelNumber(level), "/s")
                      : absl::StrCat("concurrency ", level.concurrency);
}

std::optional<double> EnergyFigure::ActiveJoulesPerImage() const {
  if (!active_joules.has_value()) return std::nullopt;
  return *active_joules / images;
}

std::optional<double> Row::ImagesPerSecond() const {
  if (seconds <= 0 || answers == 0) return std::nullopt;
  return static_cast<double>(answers * batch) / seconds;
}

std::optional<double> Row::OfferedPerSecond() const {
  if (!level.open() || seconds <= 0 || due == 0) return std::nullopt;
  return static_cast<double>(left) / seconds;
}

std::optional<bool> Row::RateReached() const {
  if (due == 0) return std::nullopt;
  return static_cast<double>(sent) >= 0.98 * static_cast<double>(due);
}

std::string Row::RoundsText() const {
  return absl::StrCat(rounds_used, " of ", rounds.size(), ", ", std::string(StabilityName(stability)));
}

std::string Row::RateText() const {
  return absl::StrFormat("the rate was not reached: %.1f requests a second left, %s", OfferedPerSecond().value_or(0),
                         beyond_bound * 2 > due - sent
                             ? "for the server does not keep up: as many as --max-under-way allows waited for answers"
                             : "for this machine cannot send faster");
}

std::string Row::NothingText() const {
  return absl::StrCat("nothing was measured: ", level.open() && due == 0 ? "no request was due" : "no answer came",
                      " within the measured time");
}

int64_t Row::ErrorCount() const {
  int64_t count = 0;
  for (const auto& [code, errors_of_code] : errors) count += errors_of_code;
  return count;
}

Stability JudgeRounds(const Level& level, const std::vector<Round>& rounds, double stability_percent) {
  std::vector<RoundFigures> figures;
  for (const Round* round : MeasuredOf(rounds)) figures.push_back(FiguresOf(level, round->load));
  return JudgeStability(figures, stability_percent);
}

Row MakeRow(const std::string& backend, const Level& level, int64_t batch, const std::vector<Round>& rounds,
            int rounds_wanted, double stability_percent, std::vector<std::string>* notes) {
  Row row{.backend = backend, .level = level, .batch = batch};
  for (const Round& round : rounds) {
    const LoadResult& load = round.load;
    const bool measured = load.seconds > 0 && (!level.open() || load.due > 0);
    row.rounds.push_back(measured ? std::optional(FiguresOf(level, load)) : std::nullopt);
    row.wrong += load.wrong;
    for (const auto& [code, count] : load.errors) row.errors[code] += count;
    if (row.first_error.empty()) row.first_error = load.first_error;
  }
  row.stability = JudgeRounds(level, rounds, stability_percent);
  const std::vector<const Round*> measured = MeasuredOf(rounds);
  std::span<const Round* const> used(measured);
  if (row.stability == Stability::kStable) {
    used = used.last(std::min(used.size(), static_cast<size_t>(std::max(rounds_wanted, kStableRounds))));
  }
  row.rounds_used = static_cast<int>(used.size());
  for (const Round* round : used) {
    row.seconds += round->load.seconds;
    row.answers += round->load.answers;
    row.latencies.Merge(round->load.latencies);
    row.due += round->load.due;
    row.sent += round->load.sent;
    row.beyond_bound += round->load.beyond_bound;
    row.late += round->load.late;
    row.left += round->load.left;
    row.lags.Merge(round->load.lags);
  }
  NoteUnmeasured(row, rounds, notes);
  NoteErrors(row, notes);
  if (!row.RateReached().value_or(true)) {
    notes->push_back(absl::StrCat(row.Name(), ": ", row.RateText(), ". The figures are no measurement at that rate"));
  }
  AddServerWork(used, &row, notes);
  return row;
}

std::string UnstableNote(const std::vector<Row>& rows, double stability_percent) {
  std::string names;
  for (const Row& row : rows) {
    if (row.stability == Stability::kUnstable) absl::StrAppend(&names, names.empty() ? "" : "; ", row.Name());
  }
  if (names.empty()) return "";
  return absl::StrFormat(
      "unstable: the last %d rounds differ by more than %g %% from their mean, and the figures are those of all "
      "rounds: %s",
      kStableRounds, stability_percent, names);
}

std::string LateNote(const std::vector<Row>& rows) {
  std::string names;
  for (const Row& row : rows) {
    if (!row.RateReached().value_or(false) || row.late * 20 <= row.sent) continue;
    absl::StrAppendFormat(&names, "%s%s (%.0f %%)", names.empty() ? "" : "; ", row.Name(),
                          100.0 * static_cast<double>(row.late) / static_cast<double>(row.sent));
  }
  if (names.empty()) return "";
  return "this machine was busy and requests left more than 1 ms after they were due, which their latencies contain: " +
         names;
}

std::string UnsentNote(const std::vector<Row>& rows) {
  std::string names;
  for (const Row& row : rows) {
    if (row.Unsent() <= 0) continue;
    absl::StrAppend(&names, names.empty() ? "" : "; ", row.Name(), " (", row.Unsent(), " of ", row.due, ")");
  }
  if (names.empty()) return "";
  return "requests that were due were not sent; percentiles and other latencies are of the others alone: " + names;
}

std::string CacheNote(const CacheUse& cache) {
  const std::string remedy = "the server computes each request that names a backend: see --backend";
  if (cache.hits.value_or(0) > 0) {
    return absl::StrCat("the server answered ", *cache.hits,
                        " requests out of its response cache: the figures are not those of the model; ", remedy);
  }
  if (!cache.enabled || cache.hits.has_value()) return "";
  return "the model's answers may come out of the server's response cache, and the server does not tell how many did: "
         "the figures may not be those of the model; " +
         remedy;
}

std::vector<PowerLine> MakePowerLines(const std::vector<ServerSnapshot>& history, std::vector<std::string>* notes) {
  std::set<RailKey> rails;
  for (const ServerSnapshot& snapshot : history) {
    for (const auto& [key, rail] : snapshot.rails) {
      if (rail.power_w.has_value()) rails.insert(key);
    }
  }
  const std::vector<RailKey> known(rails.begin(), rails.end());
  std::set<EnergyKey> keys;
  for (const RailKey& rail : known) keys.insert({rail.backend, rail.source});
  std::vector<PowerLine> lines;
  for (const EnergyKey& key : keys) {
    PowerLine line{.key = key};
    std::optional<double> vanished_s;
    bool was_there = false;
    for (const ServerSnapshot& snapshot : history) {
      const std::optional<double> watts = PowerOf(snapshot, key, known);
      line.watts.emplace_back(snapshot.time_s, watts);
      const bool is_gone = was_there && !watts.has_value() && snapshot.missed.empty();
      if (is_gone && !vanished_s.has_value()) vanished_s = snapshot.time_s;
      was_there = was_there || watts.has_value();
    }
    if (vanished_s.has_value()) {
      notes->push_back(
          absl::StrFormat("power of %s by %s: a sensor vanished after %.1f s", key.backend, key.source, *vanished_s));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace msq::bench
