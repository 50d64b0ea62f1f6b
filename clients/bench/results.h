// What a benchmark measured: the one thing that all its reports are made of. An optional that is empty was not measured;
// no report shows anything in its place but that.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clients/bench/latencies.h"
#include "clients/bench/load.h"
#include "clients/bench/server_snapshot.h"
#include "clients/bench/stability.h"

namespace msq::bench {

// One intensity of load.
struct Level {
  int concurrency = 0;    // closed loop
  double rate_per_s = 0;  // open loop, when positive
  bool open() const { return rate_per_s > 0; }
};
// "concurrency 8", "rate 100/s"; "8", "100".
std::string LevelName(const Level& level);
std::string LevelNumber(const Level& level);

struct Round {
  double begin_s = 0, end_s = 0;  // of its measured time, since the measurement began
  LoadResult load;
  std::optional<Interval> server = {};
  std::string no_server = {};  // why there is no `server`, where the server's metrics should have been there
};

struct EnergyFigure {
  EnergyKey key;
  double joules = 0, images = 0;
  std::optional<double> active_joules = {};
  double JoulesPerImage() const { return joules / images; }
  std::optional<double> ActiveJoulesPerImage() const;
  double ImagesPerJoule() const { return images / joules; }  // the same as images per second and watt
  bool IsEstimate() const { return key.source == "model"; }
};

// Whether the rounds that measured anything have settled.
Stability JudgeRounds(const Level& level, const std::vector<Round>& rounds, double stability_percent);

// One backend at one level: the rounds that count, together.
struct Row {
  std::string backend = {};  // empty: the server's choice
  Level level;
  int64_t batch = 1;
  std::vector<std::optional<RoundFigures>> rounds = {};  // all of them; empty: nothing was measured
  int rounds_used = 0;                                   // the last so many of those that measured anything
  Stability stability = Stability::kNotJudged;
  double seconds = 0;
  int64_t answers = 0;
  Latencies latencies = {};
  // Of all rounds.
  int64_t wrong = 0;
  std::map<std::string, int64_t> errors = {};
  std::string first_error = {};
  // Open loop.
  int64_t due = 0, sent = 0, beyond_bound = 0, late = 0, left = 0;  // as LoadResult has them
  Latencies lags = {};
  // Of the server.
  std::vector<Phase> phases = {};
  std::optional<BatchSizes> batch_sizes = {};
  std::vector<EnergyFigure> energy = {};

  // Without any answer there is no rate.
  std::optional<double> ImagesPerSecond() const;
  std::optional<double> OfferedPerSecond() const;  // requests that really left, where any was due
  // Why the rate was not reached, and how far it came.
  std::string RateText() const;
  // Why there are no figures, where no answer came.
  std::string NothingText() const;
  int64_t Unsent() const { return due - sent; }
  // Open loop. False: more than 2 % of what was due was not sent. Empty: nothing was due.
  std::optional<bool> RateReached() const;
  // There are answers, to the load that was asked for.
  bool Measured() const { return answers > 0 && (!level.open() || RateReached().value_or(false)); }
  // "3 of 5, stable": the rounds that count, of all.
  std::string RoundsText() const;
  int64_t ErrorCount() const;
  std::string BackendName() const { return backend.empty() ? "any" : backend; }
  std::string Name() const { return BackendName() + ", " + LevelName(level); }
};

// Puts rounds together. What had to be left out is told in `notes`.
Row MakeRow(const std::string& backend, const Level& level, int64_t batch, const std::vector<Round>& rounds,
            int rounds_wanted, double stability_percent, std::vector<std::string>* notes);

// Says which rows are unstable, whose requests left late, and whose did not leave at all; empty when none is, and so on.
std::string UnstableNote(const std::vector<Row>& rows, double stability_percent);
std::string LateNote(const std::vector<Row>& rows);
std::string UnsentNote(const std::vector<Row>& rows);

// What the server's response cache had to do with the results.
struct CacheUse {
  bool enabled = false;              // the model's configuration says that it may answer
  std::optional<int64_t> hits = {};  // answers that it gave; empty where the server does not tell
};
// Says that the cache was measured, or may have been; empty where it was not.
std::string CacheNote(const CacheUse& cache);

struct PowerLine {
  EnergyKey key;
  std::vector<std::pair<double, std::optional<double>>> watts = {};  // by seconds; empty: it could not be read
  bool IsEstimate() const { return key.source == "model"; }
};
// One for each backend and source that told its power at any time. Sensors that came or went are told in `notes`. A look
// that failed is a gap.
std::vector<PowerLine> MakePowerLines(const std::vector<ServerSnapshot>& history, std::vector<std::string>* notes);

// When which backend was under load.
struct Span {
  std::string backend = {};
  Level level;
  double begin_s = 0, end_s = 0;
};

struct Results {
  std::string model = {}, url = {}, started_at = {}, command_line = {};
  std::vector<std::string> backends = {};
  int64_t batch = 1;
  double warmup_s = 0, duration_s = 0, stability_percent = 0;
  std::vector<std::pair<std::string, std::string>> facts = {};  // of the server, then of the client's machine
  std::vector<Row> rows = {};
  std::vector<PowerLine> power = {};
  std::vector<Span> spans = {};
  std::vector<std::string> notes = {};  // what is not in here, and why
  int64_t compared = 0, wrong = 0;
  std::string first_difference = {};
  CacheUse cache = {};
};

}  // namespace msq::bench
