// Results as one self-contained page: nothing is fetched, nothing runs.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/bench/html_text.h"
#include "clients/bench/page_sections.h"
#include "clients/bench/page_style.h"
#include "clients/bench/report_numbers.h"
#include "clients/bench/reports.h"

namespace msq::bench {
namespace {

std::string Head(const Results& results) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>",
      Escape(results.model), ": load test</title>\n<style>", kPageStyle, "</style></head>\n<body>",
      // Referred to from every plot with estimates.
      "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" "
      "width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"3\" "
      "height=\"7\" style=\"fill:var(--surface);opacity:.55\"/></pattern></defs></svg>\n<main>\n");
}

std::string Verdict(const Results& results) {
  const bool good = results.wrong == 0 && results.compared > 0;
  std::string text = results.compared == 0 ? "No answer was compared"
                                           : absl::StrCat(CountText(results.compared), " answers compared, ",
                                                          CountText(results.wrong), " differ");
  if (!results.first_difference.empty()) absl::StrAppend(&text, ". The first one: ", results.first_difference);
  return absl::StrCat("<div class=\"verdict ", good ? "good\">✓ " : "bad\">✕ ", Escape(text), "</div>\n");
}

std::string Title(const Results& results) {
  std::string text = absl::StrCat(results.backends.size() > 1 ? "Backends side by side: " : "Backend: ");
  for (size_t i = 0; i < results.backends.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", results.backends[i]);
  }
  absl::StrAppend(&text, ". ", results.batch, results.batch == 1 ? " image" : " images", " a request. ",
                  results.started_at, ".");
  return absl::StrCat("<p class=\"eyebrow\">Load test</p><h1>", Escape(results.model), "</h1><p>", Escape(text),
                      "</p>\n", Verdict(results));
}

void AddItem(const std::string& name, const std::string& value, std::string* html) {
  absl::StrAppend(html, "<dt>", Escape(name), "</dt><dd>", Escape(value), "</dd>");
}

std::string Card(const Results& results, const std::string& backend) {
  std::string html = absl::StrCat("<div class=\"card\"><h3><i class=\"f", ColourOf(results, backend), "\"></i>",
                                  Escape(backend), "</h3>");
  const Row* best = BestRow(results, backend);
  if (best == nullptr) {
    return html +
           "<p class=\"big\">–</p><p class=\"at\">no level was measured as it was to be: the notes say why</p></div>\n";
  }
  absl::StrAppend(&html, "<p class=\"big\">", Escape(Digits(best->ImagesPerSecond())),
                  " <small>images/s</small></p><p class=\"at\">at ", Escape(LevelName(best->level)), ", ",
                  Escape(std::string(StabilityName(best->stability))), "</p><dl>");
  AddItem("Latency there, p50", MsText(best->latencies.QuantileMs(0.5)), &html);
  AddItem("p99", MsText(best->latencies.QuantileMs(0.99)), &html);
  const Row* first = nullptr;
  for (const Row& row : results.rows) {
    if (row.BackendName() == backend && first == nullptr && row.Measured()) first = &row;
  }
  if (first != nullptr && first != best) {
    AddItem(absl::StrCat("Latency at ", LevelName(first->level), ", p50"), MsText(first->latencies.QuantileMs(0.5)),
            &html);
  }
  if (best->batch_sizes.has_value()) AddItem("Images a batch", Digits(best->batch_sizes->mean), &html);
  if (best->energy.empty()) AddItem("Energy an image", "not measured", &html);
  for (const EnergyFigure& figure : best->energy) {
    AddItem(figure.IsEstimate() ? "Energy an image, estimated" : "Energy an image, " + figure.key.source,
            JoulesText(figure.JoulesPerImage()), &html);
  }
  return html + "</dl></div>\n";
}

std::string Notes(const Results& results) {
  if (results.notes.empty()) return "";
  std::string html = "<div class=\"notes\"><h3>To know before reading on</h3><ul>";
  for (const std::string& note : results.notes) absl::StrAppend(&html, "<li>", Escape(note), "</li>");
  return html + "</ul></div>\n";
}

std::string RoundsTable(const Results& results) {
  HtmlTable table{.head = {"Backend", "Load"}, .rows = {}, .text_columns = 2};
  size_t most = 0;
  for (const Row& row : results.rows) most = std::max(most, row.rounds.size());
  for (size_t i = 0; i < most; ++i) table.head.push_back(absl::StrCat("Round ", i + 1));
  for (const Row& row : results.rows) {
    std::vector<std::string> cells = {row.BackendName(), LevelName(row.level)};
    for (size_t i = 0; i < most; ++i) {
      if (i >= row.rounds.size()) {
        cells.push_back("");
      } else {
        std::optional<double> images_per_s;
        if (row.rounds[i]) images_per_s = row.rounds[i]->answers_per_s * static_cast<double>(row.batch);
        cells.push_back(Digits(images_per_s));
      }
    }
    table.rows.push_back(std::move(cells));
  }
  return ToHtml(table);
}

std::string Method(const Results& results) {
  std::string html = "<h2>How it was measured</h2>\n";
  std::string text = absl::StrFormat(
      "The backends took turns in rounds of %g s, each after %g s of load that is not counted, so that what drifts on "
      "the "
      "machine meets all alike.",
      results.duration_s, results.warmup_s);
  if (results.stability_percent > 0) {
    absl::StrAppendFormat(&text,
                          " Stable means that the last three rounds are within %g %% of their mean, in throughput "
                          "and in p50; the figures are theirs, or those of all rounds where it was not reached.",
                          results.stability_percent);
  }
  absl::StrAppend(&text,
                  " Every answer, those of the warm-up included, was compared bit for bit with the one that the first "
                  "backend gave without load. A dash stands for what was not measured: a percentile, too, where "
                  "there were too few answers for it.");
  absl::StrAppend(&html, "<p>", Escape(text), "</p><h3>Images per second, by round</h3>", RoundsTable(results),
                  "<h3>What ran where</h3><div class=\"card\" style=\"margin:16px 0\"><dl class=\"facts\">");
  for (const auto& [name, value] : results.facts) AddItem(name, value, &html);
  return absl::StrCat(html, "</dl></div>\n<h3>The command</h3><pre><code>", Escape(results.command_line),
                      "</code></pre>\n");
}

}  // namespace

std::string ToHtml(const Results& results) {
  std::string html = Head(results) + Title(results) + "<div class=\"cards\">";
  for (const std::string& backend : results.backends) html += Card(results, backend);
  html += "</div>\n" + Notes(results);
  html += ThroughputSection(results) + DistributionSection(results) + EfficiencySection(results) +
          PhaseSection(results) + PowerSection(results) + Method(results);
  return html + "<footer>Written by msq bench.</footer></main></body></html>\n";
}

}  // namespace msq::bench
