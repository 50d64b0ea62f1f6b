#include "backends/fpga/cosim/cosim_html.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace msq::fpga {
namespace {

constexpr double kWidth = 1000, kLane = 26, kPlotHeight = 360, kLeft = 90, kRight = 20;
constexpr std::array<const char*, 5> kUnitNames = {"WEIGHTS", "LOAD", "STORE", "CONV", "VEC"};
constexpr std::array<const char*, 5> kUnitColours = {"#8a6fb0", "#4c9f70", "#b0784c", "#3b76c4", "#c4513b"};

constexpr char kHead[] = R"html(<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>%s</title><style>
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;background:#f6f7f9;margin:0}
main{max-width:1080px;margin:32px auto;padding:0 24px}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:36px 0 8px}p{color:#566373;margin:4px 0 16px}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}
.card{background:#fff;border:1px solid #e1e6ec;border-radius:10px;padding:12px 18px;min-width:120px}
.card b{display:block;font-size:22px}.card span{color:#566373;font-size:13px}.bad{color:#b3261e}.good{color:#1b7f4b}
svg{background:#fff;border:1px solid #e1e6ec;border-radius:10px;width:100%%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:#566373}
table{border-collapse:collapse;width:100%%;background:#fff;border:1px solid #e1e6ec;border-radius:10px}
td,th{padding:5px 10px;text-align:right;border-bottom:1px solid #eef1f4;font-variant-numeric:tabular-nums}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}
</style></head><body><main>
)html";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Card(const std::string& value, const char* what, const char* kind = "") {
  return absl::StrCat("<div class=\"card\"><b class=\"", kind, "\">", value, "</b><span>", what, "</span></div>\n");
}

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string Cards(const CosimReport& report, double clock_hz) {
  const double seconds = static_cast<double>(report.cycles) / clock_hz;
  const double gops = seconds == 0 ? 0 : 2e-9 * static_cast<double>(report.macs) / seconds;
  return absl::StrCat("<div class=\"cards\">\n", Card(absl::StrFormat("%.3f ms", 1e3 * seconds), "latency"),
                      Card(absl::StrFormat("%d", report.cycles), "cycles"), Card(absl::StrFormat("%.1f", gops), "GOPS"),
                      Card(absl::StrFormat("%.1f %%", Share(report.dsp_busy, report.cycles)), "DSP engine busy"),
                      Card(absl::StrFormat("%.1f %%", Share(report.lut_busy, report.cycles)), "LUT engine busy"),
                      Card(absl::StrFormat("%.2f MB", 1e-6 * static_cast<double>(report.dram_bytes)), "DRAM traffic"),
                      report.bit_exact()
                          ? Card("equal", "to the reference, every bit", "good")
                          : Card(absl::StrCat(report.mismatches, " differ"), "from the reference", "bad"),
                      "</div>\n");
}

// A lane for the layers and one for each unit; an instruction is a mark where it was completed.
std::string Timeline(const CosimReport& report, double clock_hz) {
  const double height = kLane * 6 + 40, span = kWidth - kLeft - kRight;
  const auto x = [&](int64_t cycle) {
    return kLeft + span * static_cast<double>(cycle) / static_cast<double>(std::max<int64_t>(1, report.cycles));
  };
  std::string svg = absl::StrFormat("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", kWidth, height);
  absl::StrAppendFormat(&svg, "<text x=\"8\" y=\"22\">layers</text>\n");
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const LayerTime& layer = report.layers[i];
    if (layer.cycles == 0) continue;
    const double busy = std::min(1.0, static_cast<double>(layer.steps) / static_cast<double>(layer.cycles));
    absl::StrAppendFormat(
        &svg,
        "<rect x=\"%.2f\" y=\"8\" width=\"%.2f\" height=\"20\" fill=\"hsl(%d,55%%,%.0f%%)\" "
        "stroke=\"#fff\" stroke-width=\".5\"><title>%s, %s: %d cycles, array busy %.1f %%</title></rect>\n",
        x(layer.begin), x(layer.begin + layer.cycles) - x(layer.begin), i % 2 == 0 ? 212 : 196, 78 - 38 * busy,
        Escaped(layer.node), Escaped(layer.kind), layer.cycles, 100 * busy);
  }
  for (size_t unit = 0; unit < kUnitNames.size(); ++unit) {
    absl::StrAppendFormat(&svg, "<text x=\"8\" y=\"%.0f\">%s</text>\n", kLane * static_cast<double>(unit + 1) + 22,
                          kUnitNames[unit]);
  }
  for (const Completion& done : report.timeline) {
    const auto unit = static_cast<size_t>(done.unit);
    absl::StrAppendFormat(&svg, "<rect x=\"%.2f\" y=\"%.0f\" width=\"1.2\" height=\"18\" fill=\"%s\"/>\n",
                          x(done.cycle), kLane * static_cast<double>(unit + 1) + 8, kUnitColours[unit]);
  }
  for (int tick = 0; tick <= 5; ++tick) {
    const int64_t cycle = report.cycles * tick / 5;
    absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%.3f ms</text>\n", x(cycle),
                          height - 10,
                          tick == 0   ? "start"
                          : tick == 5 ? "end"
                                      : "middle",
                          1e3 * static_cast<double>(cycle) / clock_hz);
  }
  return svg + "</svg>\n";
}

// Operations a second over operations a byte, both logarithmic; the roof is the array's or the ports'.
std::string Roofline(const CosimReport& report, const hw::Configuration& c, double clock_hz) {
  const double array_gops = 2e-9 * clock_hz * c.p * 16.0 * c.lanes(), port_gbs = 1e-9 * clock_hz * 8.0 * c.ports;
  const double low_x = 0.25, high_x = 65536, high_y = std::exp2(std::ceil(std::log2(array_gops)) + 0.5),
               low_y = high_y / 8192;
  const auto x = [&](double v) {
    return kLeft +
           (kWidth - kLeft - kRight) * std::log2(std::clamp(v, low_x, high_x) / low_x) / std::log2(high_x / low_x);
  };
  const auto y = [&](double v) {
    return 20 + (kPlotHeight - 60) * (1 - std::log2(std::clamp(v, low_y, high_y) / low_y) / std::log2(high_y / low_y));
  };
  std::string svg = absl::StrFormat("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", kWidth, kPlotHeight);
  for (double v = 1; v <= high_x; v *= 16) {
    absl::StrAppendFormat(&svg,
                          "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"20\" y2=\"%.0f\" stroke=\"#eef1f4\"/><text x=\"%.1f\" "
                          "y=\"%.0f\" text-anchor=\"middle\">%.0f</text>\n",
                          x(v), x(v), kPlotHeight - 40, x(v), kPlotHeight - 22, v);
  }
  for (double v = std::exp2(std::floor(std::log2(array_gops))); v > low_y; v /= 16) {
    absl::StrAppendFormat(&svg,
                          "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#eef1f4\"/><text x=\"%.0f\" "
                          "y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n",
                          kLeft, kWidth - kRight, y(v), y(v), kLeft - 8, y(v) + 4, v);
  }
  const double ridge = array_gops / port_gbs;
  absl::StrAppendFormat(&svg,
                        "<polyline points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\" fill=\"none\" stroke=\"#1d2733\" "
                        "stroke-width=\"1.6\"/>\n",
                        x(low_x), y(low_x * port_gbs), x(ridge), y(array_gops), x(high_x), y(array_gops));
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">array: %.1f GOPS</text>\n",
                        kWidth - kRight - 6, y(array_gops) - 6, array_gops);
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\">ports: %.2f GB/s</text>\n", x(2) + 10, y(2 * port_gbs) + 4,
                        port_gbs);
  for (const LayerTime& layer : report.layers) {
    if (layer.macs == 0 || layer.cycles == 0) continue;
    const double gops = 2e-9 * static_cast<double>(layer.macs) * clock_hz / static_cast<double>(layer.cycles);
    const double intensity =
        2.0 * static_cast<double>(layer.macs) / static_cast<double>(std::max<int64_t>(1, layer.dram_bytes));
    const double radius = 3 + 9 * std::sqrt(static_cast<double>(layer.cycles) / static_cast<double>(report.cycles));
    absl::StrAppendFormat(&svg,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"#3b76c4\" fill-opacity=\".55\" "
                          "stroke=\"#3b76c4\"><title>%s, %s: %.1f GOPS, %.1f operations a byte</title></circle>\n",
                          x(intensity), y(gops), radius, Escaped(layer.node), Escaped(layer.kind), gops, intensity);
  }
  absl::StrAppendFormat(
      &svg,
      "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">operations a byte of DRAM</text><text x=\"14\" "
      "y=\"14\">GOPS</text></svg>\n",
      kWidth / 2, kPlotHeight - 6);
  return svg;
}

std::string Table(const CosimReport& report) {
  std::string html =
      "<table><tr><th>layer</th><th>kind</th><th>steps</th><th>cycles</th><th>busy %</th><th>MMAC</th>"
      "<th>DRAM, KB</th></tr>\n";
  for (const LayerTime& layer : report.layers) {
    absl::StrAppendFormat(
        &html, "<tr><td>%s</td><td>%s</td><td>%d</td><td>%d</td><td>%.1f</td><td>%.2f</td><td>%.1f</td></tr>\n",
        Escaped(layer.node), Escaped(layer.kind), layer.steps, layer.cycles, Share(layer.steps, layer.cycles),
        1e-6 * static_cast<double>(layer.macs), 1e-3 * static_cast<double>(layer.dram_bytes));
  }
  return html + "</table>\n";
}

}  // namespace

std::string CosimHtml(const std::string& title, const CosimReport& report, const CosimSettings& settings) {
  const double clock_hz = settings.memory.clock_hz;
  const std::string name(settings.configuration.name);
  std::string html = absl::StrFormat(kHead, Escaped(title));
  absl::StrAppendFormat(&html, "<h1>%s</h1>\n<p>on <b>%s</b>, %s, at an assumed %.0f MHz</p>\n", Escaped(title), name,
                        settings.fidelity == hw::Fidelity::kRtl ? "the RTL, cycle by cycle" : "the transaction model",
                        1e-6 * clock_hz);
  html += Cards(report, clock_hz);
  html +=
      "<h2>Where the time goes</h2><p>Darker layers keep the array busier. Marks below are instructions, where their "
      "units completed them.</p>\n";
  html += Timeline(report, clock_hz);
  html +=
      "<h2>Roofline</h2><p>A circle is a layer, its area the share of the time. Bytes are weights, parameters and the "
      "tensors that have no room on the chip; weights of one layer are fetched while another computes, so that a layer "
      "may lie above the ports' line.</p>\n";
  html += Roofline(report, settings.configuration, clock_hz);
  html += "<h2>Layers</h2>\n" + Table(report) + "</main></body></html>\n";
  return html;
}

}  // namespace msq::fpga
