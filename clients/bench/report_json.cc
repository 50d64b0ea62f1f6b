// Results as JSON and as CSV.
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "clients/bench/reports.h"

namespace msq::bench {
namespace {

using nlohmann::json;

json Number(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? json(*value) : json(nullptr);
}

json EnergyToJson(const std::vector<EnergyFigure>& figures) {
  json all = json::array();
  for (const EnergyFigure& figure : figures) {
    all.push_back({{"backend", figure.key.backend},
                   {"source", figure.key.source},
                   {"estimate", figure.IsEstimate()},
                   {"joules", figure.joules},
                   {"images", figure.images},
                   {"joules_per_image", figure.JoulesPerImage()},
                   {"active_joules_per_image", Number(figure.ActiveJoulesPerImage())},
                   {"images_per_joule", figure.ImagesPerJoule()}});
  }
  return all;
}

json BatchSizesToJson(const Row& row) {
  if (!row.batch_sizes.has_value()) return nullptr;
  json buckets = json::array();
  for (const auto& [bound, count] : row.batch_sizes->buckets) {
    buckets.push_back({{"up_to", Number(bound)}, {"batches", count}});
  }
  return {{"mean", row.batch_sizes->mean}, {"histogram", buckets}};
}

json RowToJson(const Row& row) {
  const Latencies& latencies = row.latencies;
  json result = {{"backend", row.backend},
                 {"mode", row.level.open() ? "open" : "closed"},
                 {"batch", row.batch},
                 {"seconds", row.seconds},
                 {"answers", row.answers},
                 {"images_per_s", Number(row.ImagesPerSecond())},
                 {"mean_ms", Number(latencies.MeanMs())},
                 {"min_ms", Number(latencies.MinMs())},
                 {"p50_ms", Number(latencies.QuantileMs(0.5))},
                 {"p90_ms", Number(latencies.QuantileMs(0.9))},
                 {"p95_ms", Number(latencies.QuantileMs(0.95))},
                 {"p99_ms", Number(latencies.QuantileMs(0.99))},
                 {"p999_ms", Number(latencies.QuantileMs(0.999))},
                 {"max_ms", Number(latencies.MaxMs())},
                 {"latency_count", latencies.count()},
                 {"latency_curve", latencies.Curve()},
                 {"errors", row.errors},
                 {"first_error", row.first_error},
                 {"wrong", row.wrong},
                 {"stability", std::string(StabilityName(row.stability))},
                 {"rounds_used", row.rounds_used},
                 {"batch_sizes", BatchSizesToJson(row)},
                 {"energy", EnergyToJson(row.energy)}};
  result["concurrency"] = row.level.open() ? json(nullptr) : json(row.level.concurrency);
  if (row.level.open()) {
    result["rate_per_s"] = row.level.rate_per_s;
    result["offered_per_s"] = Number(row.OfferedPerSecond());
    result["rate_reached"] = row.RateReached() ? json(*row.RateReached()) : json(nullptr);
    result["due"] = row.due;
    result["sent"] = row.sent;
    result["unsent"] = row.Unsent();
    result["beyond_bound"] = row.beyond_bound;
    result["late"] = row.late;
    result["send_lag_p99_ms"] = Number(row.lags.QuantileMs(0.99));
  }
  result["rounds"] = json::array();
  for (const auto& round : row.rounds) {
    result["rounds"].push_back(
        {{"images_per_s", round ? json(round->answers_per_s * static_cast<double>(row.batch)) : json(nullptr)},
         {"p50_ms", round.has_value() && round->p50_ms > 0 ? json(round->p50_ms) : json(nullptr)}});
  }
  result["phases_ms"] = json::object();
  for (const Phase& phase : row.phases) result["phases_ms"][phase.name] = phase.mean_ms;
  return result;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string CsvNumber(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? absl::StrFormat("%.9g", *value) : "";
}

// Columns of what only some servers tell: those that any row has.
struct CsvColumns {
  std::set<std::string> phases;
  std::set<EnergyKey> energy;
};

std::string CsvHead(const CsvColumns& columns) {
  std::string head =
      "model,backend,mode,concurrency,rate_per_s,offered_per_s,rate_reached,batch,seconds,answers,images_per_s,mean_ms,"
      "min_ms,p50_ms,p90_ms,p95_ms,p99_ms,p999_ms,max_ms,latency_count,due,sent,unsent,beyond_bound,late,"
      "send_lag_p99_ms,errors,wrong,stability,rounds_used,mean_batch_size";
  for (const std::string& phase : columns.phases) absl::StrAppend(&head, ",", CsvField(absl::StrCat(phase, "_ms")));
  for (const EnergyKey& key : columns.energy) {
    const std::string name = absl::StrCat(key.backend, "_", key.source);
    absl::StrAppend(&head, ",", CsvField(absl::StrCat("joules_per_image_", name)), ",",
                    CsvField(absl::StrCat("active_joules_per_image_", name)));
  }
  return head + "\n";
}

std::string CsvFlag(const std::optional<bool>& value) {
  if (!value.has_value()) return "";
  return *value ? "true" : "false";
}

// From `due` to `send_lag_p99_ms`.
std::string CsvSending(const Row& row) {
  if (!row.level.open()) return ",,,,,";
  return absl::StrCat(row.due, ",", row.sent, ",", row.Unsent(), ",", row.beyond_bound, ",", row.late, ",",
                      CsvNumber(row.lags.QuantileMs(0.99)));
}

std::string CsvRow(const Results& results, const Row& row, const CsvColumns& columns) {
  const Latencies& latencies = row.latencies;
  std::string line =
      absl::StrCat(CsvField(results.model), ",", CsvField(row.backend), ",", row.level.open() ? "open," : "closed,",
                   row.level.open() ? "" : LevelNumber(row.level), ",", row.level.open() ? LevelNumber(row.level) : "",
                   ",", CsvNumber(row.OfferedPerSecond()), ",", CsvFlag(row.RateReached()), ",", row.batch, ",",
                   CsvNumber(row.seconds), ",", row.answers, ",", CsvNumber(row.ImagesPerSecond()));
  absl::StrAppend(&line, ",", CsvNumber(latencies.MeanMs()), ",", CsvNumber(latencies.MinMs()));
  for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) absl::StrAppend(&line, ",", CsvNumber(latencies.QuantileMs(q)));
  absl::StrAppend(&line, ",", CsvNumber(latencies.MaxMs()), ",", latencies.count(), ",", CsvSending(row), ",");
  absl::StrAppend(&line, row.ErrorCount(), ",", row.wrong, ",", std::string(StabilityName(row.stability)), ",",
                  row.rounds_used, ",", row.batch_sizes.has_value() ? CsvNumber(row.batch_sizes->mean) : "");
  for (const std::string& name : columns.phases) {
    absl::StrAppend(&line, ",");
    for (const Phase& phase : row.phases) {
      if (phase.name == name) absl::StrAppend(&line, CsvNumber(phase.mean_ms));
    }
  }
  for (const EnergyKey& key : columns.energy) {
    std::optional<double> joules, active;
    for (const EnergyFigure& figure : row.energy) {
      if (figure.key != key) continue;
      joules = figure.JoulesPerImage();
      active = figure.ActiveJoulesPerImage();
    }
    absl::StrAppend(&line, ",", CsvNumber(joules), ",", CsvNumber(active));
  }
  return line + "\n";
}

}  // namespace

json ToJson(const Results& results) {
  json document = {{"model", results.model},
                   {"url", results.url},
                   {"started_at", results.started_at},
                   {"command", results.command_line},
                   {"warmup_s", results.warmup_s},
                   {"duration_s", results.duration_s},
                   {"stability_percent", results.stability_percent},
                   {"answers_compared", results.compared},
                   {"answers_wrong", results.compared > 0 ? json(results.wrong) : json(nullptr)},
                   {"first_difference", results.first_difference},
                   {"cache_hits", results.cache.hits ? json(*results.cache.hits) : json(nullptr)},
                   {"facts", results.facts},
                   {"notes", results.notes}};
  document["rows"] = json::array();
  for (const Row& row : results.rows) document["rows"].push_back(RowToJson(row));
  document["power"] = json::array();
  for (const PowerLine& line : results.power) {
    json samples = json::array();
    for (const auto& [time_s, watts] : line.watts) samples.push_back({time_s, Number(watts)});
    document["power"].push_back({{"backend", line.key.backend},
                                 {"source", line.key.source},
                                 {"estimate", line.IsEstimate()},
                                 {"watts", samples}});
  }
  document["spans"] = json::array();
  for (const Span& span : results.spans) {
    document["spans"].push_back({{"backend", span.backend},
                                 {"level", LevelName(span.level)},
                                 {"begin_s", span.begin_s},
                                 {"end_s", span.end_s}});
  }
  return document;
}

std::string ToCsv(const Results& results) {
  CsvColumns columns;
  for (const Row& row : results.rows) {
    for (const Phase& phase : row.phases) columns.phases.insert(phase.name);
    for (const EnergyFigure& figure : row.energy) columns.energy.insert(figure.key);
  }
  std::string text = CsvHead(columns);
  for (const Row& row : results.rows) text += CsvRow(results, row, columns);
  return text;
}

}  // namespace msq::bench
