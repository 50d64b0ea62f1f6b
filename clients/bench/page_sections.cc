#include "clients/bench/page_sections.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/bench/html_text.h"
#include "clients/bench/page_style.h"
#include "clients/bench/plot.h"
#include "clients/bench/report_numbers.h"

namespace msq::bench {
namespace {

std::string Section(const std::string& title, const std::string& text) {
  return absl::StrCat("<h2>", Escape(title), "</h2>\n<p>", Escape(text), "</p>\n");
}

std::string Figure(const char* classes, const std::string& title, const std::string& text, const std::string& content) {
  return absl::StrCat("<figure class=\"", classes, "\"><h3>", Escape(title), "</h3>",
                      text.empty() ? "" : absl::StrCat("<p>", Escape(text), "</p>"), content, "</figure>\n");
}

bool IsOpen(const Results& results) {
  return !results.rows.empty() && results.rows.front().level.open();
}

std::string LevelTitle(const Results& results) {
  return IsOpen(results) ? "Rate, requests/s" : "Concurrency";
}

// Those that measured what they were to measure.
std::vector<const Row*> RowsOf(const Results& results, const std::string& backend) {
  std::vector<const Row*> rows;
  for (const Row& row : results.rows) {
    if (row.BackendName() == backend && row.Measured()) rows.push_back(&row);
  }
  return rows;
}

std::string LevelCell(const Row& row) {
  return LevelNumber(row.level) + (row.RateReached().value_or(true) ? "" : " (not reached)");
}

double LevelValue(const Level& level) {
  return level.open() ? level.rate_per_s : level.concurrency;
}

// Whether the values lie so far apart that a linear scale would press the small ones flat.
bool AreFarApart(const std::vector<double>& values) {
  double least = std::numeric_limits<double>::infinity(), largest = 0;
  for (const double value : values) {
    if (value <= 0) continue;
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
  return largest > 12 * least;
}

LinePlot LatencyAgainstThroughput(const Results& results) {
  LinePlot plot{.name = "Latency against throughput", .x_title = "Throughput, images/s", .y_title = "Latency, ms"};
  std::vector<double> latencies, throughputs;
  for (const std::string& backend : results.backends) {
    for (const double q : {0.5, 0.99}) {
      PlotSeries series{.name = absl::StrFormat("%s, p%g", backend, q * 100),
                        .colour = ColourOf(results, backend),
                        .dashed = q > 0.9};
      for (const Row* row : RowsOf(results, backend)) {
        const std::optional<double> ms = row->latencies.QuantileMs(q), images = row->ImagesPerSecond();
        if (!ms.has_value() || !images.has_value()) continue;
        latencies.push_back(*ms);
        throughputs.push_back(*images);
        series.points.push_back(
            {*images, *ms, q < 0.9 ? LevelNumber(row->level) : "",
             absl::StrFormat("%s: %s images/s, p%g %s ms", row->Name(), Digits(*images), q * 100, Digits(*ms))});
      }
      if (!series.points.empty()) plot.series.push_back(std::move(series));
    }
  }
  if (AreFarApart(latencies)) plot.y_scale = Scale::kLogarithm;
  if (AreFarApart(throughputs)) plot.x_scale = Scale::kLogarithm;
  return plot;
}

LinePlot ThroughputByLevel(const Results& results) {
  LinePlot plot{.name = "Throughput by load", .x_title = LevelTitle(results), .y_title = "Throughput, images/s"};
  std::vector<double> levels;
  for (const std::string& backend : results.backends) {
    PlotSeries series{.name = backend, .colour = ColourOf(results, backend)};
    for (const Row* row : RowsOf(results, backend)) {
      const std::optional<double> images = row->ImagesPerSecond();
      if (!images.has_value()) continue;
      levels.push_back(LevelValue(row->level));
      series.points.push_back(
          {LevelValue(row->level), *images, "", absl::StrFormat("%s: %s images/s", row->Name(), Digits(*images))});
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  if (AreFarApart(levels)) plot.x_scale = Scale::kLogarithm;
  for (const Row& row : results.rows) {
    if (row.BackendName() == results.backends.front()) plot.x_ticks.push_back(LevelValue(row.level));
  }
  return plot;
}

// A point for each share of answers of every backend at one level.
LinePlot Distribution(const Results& results, const Level& level) {
  LinePlot plot{.name = absl::StrCat("Latency distribution, ", LevelName(level)),
                .x_title = "Percentile of answers",
                .y_title = "Latency, ms",
                .x_scale = Scale::kPercentile,
                .y_scale = Scale::kLogarithm,
                .width = 400,
                .height = 280};
  for (const Row& row : results.rows) {
    if (LevelName(row.level) != LevelName(level) || row.latencies.count() == 0 || !row.Measured()) continue;
    PlotSeries series{.name = row.BackendName(), .colour = ColourOf(results, row.BackendName()), .dots = false};
    for (const auto& [q, ms] : row.latencies.Curve()) series.points.push_back({q, ms, "", ""});
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::string SourceName(const EnergyKey& key) {
  return key.source == "model" ? "estimated by a model" : "measured by " + key.source;
}

std::string EnergyName(const EnergyKey& key) {
  return absl::StrCat(key.backend, ", ", SourceName(key));
}

// One row's phases, in the order of the plot's parts.
void AddPhases(const Row& row, SharePlot* plot, HtmlTable* table) {
  ShareBar bar{.name = row.Name(), .parts = std::vector<double>(plot->part_names.size())};
  std::vector<std::string> cells = {row.BackendName(), LevelNumber(row.level),
                                    row.batch_sizes.has_value() ? Digits(row.batch_sizes->mean) : "–"};
  double sum = 0;
  for (size_t i = 0; i < plot->part_names.size(); ++i) {
    const auto phase = std::find_if(row.phases.begin(), row.phases.end(),
                                    [&](const Phase& p) { return p.name == plot->part_names[i]; });
    if (phase != row.phases.end()) sum += bar.parts[i] = phase->mean_ms;
    cells.push_back(phase != row.phases.end() ? Digits(phase->mean_ms) : "–");
  }
  table->rows.push_back(std::move(cells));
  if (sum <= 0) return;
  bar.text = Digits(sum) + " ms";
  plot->bars.push_back(std::move(bar));
}

}  // namespace

int ColourOf(const Results& results, const std::string& backend) {
  const auto found = std::find(results.backends.begin(), results.backends.end(), backend);
  return static_cast<int>(found - results.backends.begin()) % kPageColours;
}

const Row* BestRow(const Results& results, const std::string& backend) {
  const Row* best = nullptr;
  for (const Row* row : RowsOf(results, backend)) {
    if (row->ImagesPerSecond().has_value() && (!best || *row->ImagesPerSecond() > *best->ImagesPerSecond())) best = row;
  }
  return best;
}

std::string ThroughputSection(const Results& results) {
  std::string html =
      Section("Throughput and latency",
              IsOpen(results) ? "Requests leave at random times at the given rate, whether or not answers come; a "
                                "latency counts from when its request was due."
                              : "So many requests are under way at all times; an answer lets the next one go.");
  const LinePlot latency = LatencyAgainstThroughput(results), throughput = ThroughputByLevel(results);
  if (throughput.series.empty()) {
    html += "<p>Nothing to plot: no level was measured as it was to be.</p>\n";
  } else {
    absl::StrAppend(&html, "<div class=\"pair\">",
                    Figure("", "Latency against throughput",
                           absl::StrCat("Further right and lower is better. Numbers beside points: ",
                                        IsOpen(results) ? "requests per second." : "requests under way."),
                           Draw(latency)),
                    Figure("", IsOpen(results) ? "Throughput by offered rate" : "Throughput by concurrency",
                           "How far more load brings more images per second.", Draw(throughput)),
                    "</div>\n");
  }
  HtmlTable table{.head = {"Backend", LevelTitle(results), "Images/s", "p50, ms", "p99, ms", "Answers", "Errors",
                           "Wrong", "Rounds"},
                  .rows = {}};
  if (IsOpen(results)) {
    const std::vector<std::string> more = {"Sent, requests/s", "Not sent, of those due", "Sent late"};
    table.head.insert(table.head.begin() + 2, more.begin(), more.end());
  }
  for (const Row& row : results.rows) {
    std::vector<std::string> cells = {row.BackendName(),
                                      LevelCell(row),
                                      Digits(row.ImagesPerSecond()),
                                      Digits(row.latencies.QuantileMs(0.5)),
                                      Digits(row.latencies.QuantileMs(0.99)),
                                      CountText(row.answers),
                                      CountText(row.ErrorCount()),
                                      CountText(row.wrong),
                                      row.RoundsText()};
    if (IsOpen(results)) {
      const std::vector<std::string> more = {Digits(row.OfferedPerSecond()),
                                             absl::StrCat(CountText(row.Unsent()), " of ", CountText(row.due)),
                                             CountText(row.late)};
      cells.insert(cells.begin() + 2, more.begin(), more.end());
    }
    table.rows.push_back(std::move(cells));
  }
  return html + ToHtml(table);
}

std::string DistributionSection(const Results& results) {
  std::string html = Section("Latency distributions",
                             absl::StrCat("The share of answers that came within a time. A curve ends where there were "
                                          "too few answers to go on. The answers are those ",
                                          IsOpen(results) ? "to requests that were due in the measured time and were "
                                                            "sent: those that were not sent have no part in it."
                                                          : "that came in the measured time."));
  html += "<div class=\"small\">";
  std::vector<std::string> drawn;
  for (const Row& row : results.rows) {
    const std::string name = LevelName(row.level);
    if (row.latencies.count() == 0 || !row.Measured() || std::find(drawn.begin(), drawn.end(), name) != drawn.end())
      continue;
    drawn.push_back(name);
    std::string title = name;
    title[0] = static_cast<char>(title[0] - 'a' + 'A');
    html += Figure("", title, "", Draw(Distribution(results, row.level)));
  }
  html += "</div>\n";
  HtmlTable table{.head = {"Backend", LevelTitle(results), "Least", "p50", "p90", "p95", "p99", "p99.9", "Largest",
                           "Mean, ms", "Of requests"},
                  .rows = {}};
  for (const Row& row : results.rows) {
    const Latencies& latencies = row.latencies;
    std::vector<std::string> cells = {row.BackendName(), LevelCell(row), Digits(latencies.MinMs())};
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) cells.push_back(Digits(latencies.QuantileMs(q)));
    cells.push_back(Digits(latencies.MaxMs()));
    cells.push_back(Digits(latencies.MeanMs()));
    cells.push_back(CountText(latencies.count()));
    table.rows.push_back(std::move(cells));
  }
  return html + ToHtml(table);
}

std::string EfficiencySection(const Results& results) {
  std::string html = Section("Speed and efficiency", "Each backend at the load with the most images per second.");
  BarPlot speed{.name = "Images per second", .bars = {}}, efficiency{.name = "Images per joule", .bars = {}};
  for (const std::string& backend : results.backends) {
    const Row* best = BestRow(results, backend);
    if (best == nullptr) continue;
    const double images = *best->ImagesPerSecond();
    speed.bars.push_back({backend, "at " + LevelName(best->level), images, Digits(images), ColourOf(results, backend)});
    for (const EnergyFigure& figure : best->energy) {
      efficiency.bars.push_back({figure.key.backend, SourceName(figure.key), figure.ImagesPerJoule(),
                                 Digits(figure.ImagesPerJoule()), ColourOf(results, backend), figure.IsEstimate()});
    }
  }
  const std::string no_energy = "<p>Not measured: no sensor told the energy of these rounds. The notes say why.</p>";
  absl::StrAppend(&html, "<div class=\"pair\">", Figure("", "Images per second (FPS)", "", Draw(speed)),
                  Figure("", "Images per second and watt (FPS/W)", "Images per joule. Hatched: an estimate.",
                         efficiency.bars.empty() ? no_energy : Draw(efficiency)),
                  "</div>\n");
  HtmlTable table{.head = {"Backend", "Energy", LevelTitle(results), "Joules", "Images", "Joules/image",
                           "Beyond idling, J/image", "Images/joule"},
                  .rows = {},
                  .text_columns = 2};
  for (const Row& row : results.rows) {
    for (const EnergyFigure& figure : row.energy) {
      table.rows.push_back({figure.key.backend, SourceName(figure.key), LevelCell(row), Digits(figure.joules),
                            Digits(figure.images), Digits(figure.JoulesPerImage()),
                            Digits(figure.ActiveJoulesPerImage()), Digits(figure.ImagesPerJoule())});
    }
  }
  return table.rows.empty() ? html : html + ToHtml(table);
}

std::string PhaseSection(const Results& results) {
  std::string html =
      Section("Where the time goes",
              "A request's phases within the server, by its own clock: the share of each, and their sum. "
              "The network and the client come on top.");
  SharePlot plot{.name = "Phases of a request", .part_names = {}, .bars = {}};
  for (const Row& row : results.rows) {
    for (const Phase& phase : row.phases) {
      if (std::find(plot.part_names.begin(), plot.part_names.end(), phase.name) == plot.part_names.end()) {
        plot.part_names.push_back(phase.name);
      }
    }
  }
  if (plot.part_names.empty()) return html + "<p>Not measured: the server's metrics were not to be had.</p>\n";
  HtmlTable table{.head = {"Backend", LevelTitle(results), "Images a batch"}, .rows = {}};
  for (const std::string& name : plot.part_names) table.head.push_back(name + ", ms");
  for (const std::string& backend : results.backends) {
    for (const Row* row : RowsOf(results, backend)) AddPhases(*row, &plot, &table);
  }
  return html + Figure("wide", "Phases of a request", "", "<div>" + Draw(plot) + "</div>") + ToHtml(table);
}

std::string PowerSection(const Results& results) {
  std::string html =
      Section("Power over time",
              "As the server told it during the measurement. Shaded: which backend was under load. Where "
              "a line is interrupted, the sensor could not be read, or the server did not answer.");
  if (results.power.empty()) return html + "<p>Not measured: the server told no power.</p>\n";
  std::vector<PlotBand> bands;
  for (const Span& span : results.spans) {
    const std::string backend = span.backend.empty() ? "any" : span.backend;
    bands.push_back({span.begin_s, span.end_s, ColourOf(results, backend), backend + ", " + LevelName(span.level)});
  }
  HtmlTable table{.head = {"Backend", "Source", "Samples", "Gaps", "Least, W", "Mean, W", "Largest, W"},
                  .rows = {},
                  .text_columns = 2};
  for (const PowerLine& line : results.power) {
    PlotSeries series{.name = "", .colour = ColourOf(results, line.key.backend), .dots = false, .points = {}};
    double sum = 0, least = std::numeric_limits<double>::infinity(), largest = 0;
    int count = 0;
    for (const auto& [time_s, watts] : line.watts) {
      series.points.push_back({time_s, watts.value_or(std::numeric_limits<double>::quiet_NaN()), "", ""});
      if (!watts.has_value()) continue;
      sum += *watts;
      least = std::min(least, *watts);
      largest = std::max(largest, *watts);
      ++count;
    }
    LinePlot plot{.name = "Power of " + EnergyName(line.key),
                  .x_title = "Time, s",
                  .y_title = "Power, W",
                  .x_scale = Scale::kFitted,
                  .width = 1080,
                  .height = 220,
                  .series = {series},
                  .bands = bands};
    html += Figure("wide", EnergyName(line.key), "", "<div>" + Draw(plot) + "</div>");
    table.rows.push_back({line.key.backend, line.key.source + (line.IsEstimate() ? " (an estimate)" : ""),
                          absl::StrCat(count), absl::StrCat(line.watts.size() - static_cast<size_t>(count)),
                          count > 0 ? Digits(least) : "–", count > 0 ? Digits(sum / count) : "–",
                          count > 0 ? Digits(largest) : "–"});
  }
  return html + ToHtml(table);
}

}  // namespace msq::bench
