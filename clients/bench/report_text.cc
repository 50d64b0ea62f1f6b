// The table that msq bench prints.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/bench/report_numbers.h"
#include "clients/bench/reports.h"

namespace msq::bench {
namespace {

std::string Column(const std::optional<double>& value, int width) {
  return value.has_value() ? absl::StrFormat(" %*s", width, Digits(*value)) : absl::StrFormat(" %*s", width, "-");
}

}  // namespace

std::string TextHead(bool open_loop) {
  return absl::StrFormat("%-8s %11s %10s %9s %9s %9s %9s %9s %7s %9s%s %7s %6s  %s\n", "BACKEND",
                         open_loop ? "RATE/S" : "CONCURRENCY", "IMAGES/S", "P50 MS", "P90 MS", "P95 MS", "P99 MS",
                         "P99.9 MS", "BATCH", "J/IMAGE", open_loop ? "  UNSENT" : "", "ERRORS", "WRONG", "ROUNDS");
}

std::string TextRow(const Row& row) {
  std::string line = absl::StrFormat("%-8s %11s", row.BackendName(), LevelNumber(row.level));
  absl::StrAppend(&line, Column(row.ImagesPerSecond(), 10));
  for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) absl::StrAppend(&line, Column(row.latencies.QuantileMs(q), 9));
  std::optional<double> batch, joules;
  if (row.batch_sizes.has_value()) batch = row.batch_sizes->mean;
  // The first of a real sensor, else the estimate, which a ~ marks.
  const auto measured = std::find_if(row.energy.begin(), row.energy.end(),
                                     [](const EnergyFigure& figure) { return !figure.IsEstimate(); });
  absl::StrAppend(&line, Column(batch, 7));
  if (measured != row.energy.end()) joules = measured->JoulesPerImage();
  if (measured == row.energy.end() && !row.energy.empty()) {
    absl::StrAppendFormat(&line, " %9s", absl::StrCat("~", Digits(row.energy.front().JoulesPerImage())));
  } else {
    absl::StrAppend(&line, Column(joules, 9));
  }
  if (row.level.open()) absl::StrAppendFormat(&line, " %7d", row.Unsent());
  absl::StrAppendFormat(&line, " %7d %6d  %s\n", row.ErrorCount(), row.wrong, row.RoundsText());
  return line;
}

std::string TextVerdict(const Results& results) {
  if (results.compared == 0) return "no answer was compared\n";
  return absl::StrFormat("%d answers compared, %d differ\n", results.compared, results.wrong);
}

}  // namespace msq::bench
