#include "clients/bench/runner.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "clients/bench/machine_facts.h"
#include "clients/bench/questions.h"
#include "clients/bench/server_monitor.h"
#include "clients/msq/progress.h"

namespace msq::bench {
namespace {

struct Cell {
  std::string backend;
  std::vector<Round> rounds = {};
  bool given_up = false;
};

class Bench {
 public:
  Bench(client::Client* client, const BenchOptions& options)
      : client_(*client),
        options_(options),
        monitor_(options.metrics_url, options.model),
        rounds_planned_(options.levels.size() * options.backends.size() * static_cast<size_t>(options.rounds)) {}

  absl::StatusOr<Results> Run(const std::function<void(const Row&)>& on_row) {
    MSQ_RETURN_IF_ERROR(Prepare());
    for (size_t i = 0; i < options_.levels.size() && !server_is_gone_ && !differ_alone_; ++i) {
      const std::vector<Cell> cells = MeasureLevel(options_.levels[i]);
      progress_.Clear();
      for (const Cell& cell : cells) {
        if (cell.rounds.empty()) continue;
        results_.rows.push_back(MakeRow(cell.backend, options_.levels[i], options_.batch, cell.rounds, options_.rounds,
                                        options_.stability_percent, &results_.notes));
        on_row(results_.rows.back());
      }
    }
    Finish();
    return std::move(results_);
  }

 private:
  absl::Status Prepare() {
    results_.model = options_.model;
    results_.url = options_.url;
    results_.command_line = CommandLine();
    results_.started_at = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::Now(), absl::UTCTimeZone());
    results_.batch = options_.batch;
    results_.warmup_s = options_.warmup_s;
    results_.duration_s = options_.duration_s;
    results_.stability_percent = options_.stability_percent;
    for (const std::string& backend : options_.backends) {
      results_.backends.push_back(backend.empty() ? "any" : backend);
    }
    MSQ_ASSIGN_OR_RETURN(questions_, Questions::Create(&client_, options_.model, options_.batch));
    if (const std::string busy = BusyNote(); !busy.empty()) results_.notes.push_back(busy);
    const auto before =
        options_.metrics_url.empty() ? absl::StatusOr<ServerSnapshot>(absl::UnavailableError("")) : monitor_.Look();
    MSQ_RETURN_IF_ERROR(CompareAlone());
    if (differ_alone_) return AddFacts();
    MSQ_RETURN_IF_ERROR(LookForMetrics(before));
    cache_hits_before_ = CacheHits();
    return AddFacts();
  }

  // Where answers differ already, speeds say nothing: then that is the result.
  absl::Status CompareAlone() {
    for (const std::string& backend : options_.backends) {
      if (questions_->has_answers()) results_.compared += static_cast<int64_t>(questions_->count());
      MSQ_ASSIGN_OR_RETURN(const int64_t wrong, questions_->CompareAlone(backend));
      results_.wrong += wrong;
    }
    differ_alone_ = results_.wrong > 0;
    if (differ_alone_) results_.notes.push_back("nothing was measured: answers differed before there was any load");
    return absl::OkStatus();
  }

  // Of all the model's versions, so far; nothing where the server does not tell.
  std::optional<int64_t> CacheHits() {
    const auto statistics = client_.ModelStatistics(options_.model);
    if (!statistics.ok()) return std::nullopt;
    int64_t hits = 0;
    for (const auto& model : statistics->model_stats()) {
      hits += static_cast<int64_t>(model.inference_stats().cache_hit().count());
    }
    return hits;
  }

  void LookAtCache() {
    const auto config = client_.ModelConfig(options_.model);
    results_.cache.enabled = config.ok() && config->response_cache().enable();
    const std::optional<int64_t> hits = CacheHits();
    if (hits && cache_hits_before_) results_.cache.hits = *hits - *cache_hits_before_;
    if (std::string note = CacheNote(results_.cache); !note.empty()) results_.notes.push_back(std::move(note));
  }

  // Whether there are metrics, and whether they are this server's: they must have counted what was just asked.
  absl::Status LookForMetrics(const absl::StatusOr<ServerSnapshot>& before) {
    absl::Status status = before.status();
    if (options_.metrics_url.empty()) {
      results_.notes.push_back(
          absl::StrCat("no figures of the server and no energy: ",
                       options_.metrics_required ? "--metrics-url is empty" : "--metrics-url says where they are"));
      return absl::OkStatus();
    }
    if (status.ok()) {
      const auto after = monitor_.Look();
      status = after.status();
      if (status.ok() && RequestsOf(*after) < RequestsOf(*before) + static_cast<double>(questions_->count())) {
        status =
            FailedPrecondition(options_.metrics_url, ": these metrics do not count the requests to ", options_.url);
      }
    }
    if (status.ok()) {
      has_metrics_ = true;
      monitor_.Start(options_.sample_interval_s);
      return absl::OkStatus();
    }
    if (options_.metrics_required) return status;
    results_.notes.push_back(absl::StrCat("no figures of the server and no energy: ", std::string(Message(status)),
                                          "; --metrics-url says where they are"));
    return absl::OkStatus();
  }

  static double RequestsOf(const ServerSnapshot& snapshot) {
    double requests = 0;
    for (const auto& [backend, counters] : snapshot.models) requests += counters.requests;
    return requests;
  }

  absl::Status AddFacts() {
    auto& facts = results_.facts;
    MSQ_ASSIGN_OR_RETURN(const auto server, client_.ServerMetadata());
    MSQ_ASSIGN_OR_RETURN(const auto model, client_.ModelMetadata(options_.model));
    facts.emplace_back("Server", absl::StrCat(server.name(), " ", server.version(), " at ", options_.url));
    std::string shapes;
    for (const auto& input : model.inputs()) {
      absl::StrAppend(&shapes, shapes.empty() ? "" : "; ", input.name(), " [", absl::StrJoin(input.shape(), ", "), "]");
    }
    facts.emplace_back("Model", absl::StrCat(options_.model, ", version ", absl::StrJoin(model.versions(), ", "),
                                             model.platform().empty() ? "" : ", ", model.platform()));
    facts.emplace_back("Input", shapes);
    if (has_metrics_) {
      const auto page = monitor_.Page();
      if (page.ok()) {
        for (const Series& series : *page) {
          if (series.name != "msq_backend_info") continue;
          facts.emplace_back(absl::StrCat("Backend ", series.Label("backend")), series.Label("device"));
        }
      }
    }
    for (auto& fact : MachineFacts()) facts.push_back(std::move(fact));
    return absl::OkStatus();
  }

  std::vector<Cell> MeasureLevel(const Level& level) {
    std::vector<Cell> cells;
    for (const std::string& backend : options_.backends) cells.push_back({.backend = backend});
    for (int round = 0; round < options_.max_rounds && !server_is_gone_; ++round) {
      if (round >= options_.rounds) {
        if (HaveSettled(level, cells)) break;
        rounds_planned_ += cells.size();
      }
      // There and back, so that what drifts on the machine meets all alike.
      for (size_t i = 0; i < cells.size() && !server_is_gone_; ++i) {
        Cell& cell = cells[round % 2 == 0 ? i : cells.size() - 1 - i];
        if (!cell.given_up) MeasureRound(level, round, &cell);
        ++rounds_done_;
      }
    }
    return cells;
  }

  bool HaveSettled(const Level& level, const std::vector<Cell>& cells) const {
    if (options_.stability_percent <= 0) return true;
    return std::all_of(cells.begin(), cells.end(), [this, &level](const Cell& cell) {
      return cell.given_up || JudgeRounds(level, cell.rounds, options_.stability_percent) != Stability::kUnstable;
    });
  }

  void MeasureRound(const Level& level, int number, Cell* cell) {
    LoadOptions load{.concurrency = level.concurrency,
                     .rate_per_s = level.rate_per_s,
                     .max_under_way = options_.max_under_way,
                     .inputs = questions_->count(),
                     .warmup_s = options_.warmup_s,
                     .duration_s = options_.duration_s,
                     .seed = static_cast<uint64_t>(number) + 1};  // every backend has the same schedule
    Round round;
    LoadHooks hooks;
    hooks.begin = [&] {
      round.begin_s = monitor_.Now();
      if (has_metrics_) monitor_.BeginRound();
    };
    hooks.end = [&] {
      round.end_s = monitor_.Now();
      if (!has_metrics_) return;
      auto interval = monitor_.EndRound();
      round.no_server = std::string(Message(interval.status()));
      if (interval.ok()) round.server = *std::move(interval);
    };
    const double load_began_s = monitor_.Now();
    hooks.tick = [&](int64_t answers) {
      const double passed_s = monitor_.Now() - load_began_s;
      const double part = std::min(1.0, passed_s / (options_.warmup_s + options_.duration_s));
      progress_.Show((static_cast<double>(rounds_done_) + part) / static_cast<double>(rounds_planned_),
                     absl::StrFormat("%s, %s, round %d  %.0f images/s", cell->backend.empty() ? "any" : cell->backend,
                                     LevelName(level), number + 1,
                                     passed_s > 0 ? static_cast<double>(answers * options_.batch) / passed_s : 0));
    };
    round.load = GenerateLoad(load, questions_->AskOf(cell->backend), hooks);
    results_.compared += round.load.compared;
    results_.wrong += round.load.wrong;
    results_.spans.push_back({cell->backend, level, round.begin_s, round.end_s});
    if (round.load.seconds <= 0) {
      cell->given_up = true;
      server_is_gone_ = !client_.ServerLive().ok();
      if (server_is_gone_) results_.notes.push_back("the server went away: what was not measured by then is missing");
    }
    cell->rounds.push_back(std::move(round));
  }

  void Finish() {
    monitor_.Stop();
    for (std::string& note : std::vector{UnstableNote(results_.rows, options_.stability_percent),
                                         LateNote(results_.rows), UnsentNote(results_.rows)}) {
      if (!note.empty()) results_.notes.push_back(std::move(note));
    }
    results_.first_difference = questions_->FirstDifference();
    if (!differ_alone_) LookAtCache();
    if (!has_metrics_) return;
    const std::vector<ServerSnapshot> history = monitor_.History();
    results_.power = MakePowerLines(history, &results_.notes);
    if (std::string note = MissedLooksNote(history); !note.empty()) results_.notes.push_back(std::move(note));
    std::set<std::string> with_energy;
    for (const ServerSnapshot& snapshot : history) {
      for (const auto& [key, rail] : snapshot.rails) with_energy.insert(key.backend);
    }
    for (const std::string& backend : options_.backends) {
      if (!backend.empty() && with_energy.count(backend) == 0) {
        results_.notes.push_back(absl::StrCat("no energy of backend ", backend, ": the server has no sensor for it"));
      }
    }
    if (with_energy.empty() && options_.backends == std::vector<std::string>{""}) {
      results_.notes.push_back("no energy: the server has no sensor");
    }
  }

  client::Client& client_;
  const BenchOptions& options_;
  ServerMonitor monitor_;
  client::Progress progress_;
  std::unique_ptr<Questions> questions_;
  Results results_;
  bool has_metrics_ = false, server_is_gone_ = false, differ_alone_ = false;
  std::optional<int64_t> cache_hits_before_;  // the load
  size_t rounds_planned_, rounds_done_ = 0;   // of all levels and backends
};

}  // namespace

absl::StatusOr<Results> RunBench(client::Client* client, const BenchOptions& options,
                                 const std::function<void(const Row&)>& on_row) {
  return Bench(client, options).Run(on_row);
}

absl::Status Verdict(const Results& results) {
  if (results.wrong > 0) {
    return DataLoss(results.wrong,
                    " answers differ from the first backend's; the first one: ", results.first_difference);
  }
  for (const Row& row : results.rows) {
    if (!row.first_error.empty()) return Unavailable("requests failed; the first one: ", row.first_error);
  }
  for (const Row& row : results.rows) {
    if (!row.RateReached().value_or(true)) return Unavailable(row.Name(), ": ", row.RateText());
  }
  for (const Row& row : results.rows) {
    if (row.answers == 0) return Unavailable(row.Name(), ": ", row.NothingText());
  }
  if (results.compared == 0) return Unavailable("no answer was compared");
  return absl::OkStatus();
}

}  // namespace msq::bench
