#include "clients/bench/plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/bench/html_text.h"
#include "clients/bench/plot_axis.h"

namespace msq::bench {
namespace {

// Where the axes are, within the drawing.
constexpr double kLeft = 58, kRight = 18, kTop = 26, kBottom = 46;

std::string Px(double value) {
  return absl::StrFormat("%.1f", value);
}

std::string Head(double width, double height, const std::string& name) {
  return absl::StrFormat("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">", width, height, Escape(name));
}

std::string TextAt(double x, double y, const char* classes, const std::string& text) {
  return absl::StrCat("<text x=\"", Px(x), "\" y=\"", Px(y), "\" class=\"", classes, "\">", Escape(text), "</text>");
}

// The lines of what is shown, as a legend under the drawing.
std::string Legend(const std::vector<PlotSeries>& series) {
  std::string html = "<ul class=\"legend\">";
  for (const PlotSeries& one : series) {
    absl::StrAppend(&html, "<li><svg viewBox=\"0 0 26 10\" class=\"key\"><path d=\"M1 5H25\" class=\"line c",
                    one.colour, one.dashed ? " dashed" : "", "\"/></svg>", Escape(one.name), "</li>");
  }
  return html + "</ul>\n";
}

class LineDrawing {
 public:
  explicit LineDrawing(const LinePlot& plot)
      : plot_(plot),
        x_(plot.x_scale, Values(&PlotPoint::x), kLeft, plot.width - kRight),
        y_(plot.y_scale, Values(&PlotPoint::y), plot.height - kBottom, kTop) {
    if (!plot.x_ticks.empty()) x_.SetTicks(plot.x_ticks);
  }

  std::string Draw() const {
    std::string svg = Head(plot_.width, plot_.height, plot_.name);
    DrawBands(&svg);
    DrawAxes(&svg);
    for (const PlotSeries& series : plot_.series) DrawLine(series, &svg);
    for (const PlotSeries& series : plot_.series) DrawPoints(series, &svg);
    svg += "</svg>\n";
    if (plot_.legend && plot_.series.size() > 1) svg += Legend(plot_.series);
    return svg;
  }

 private:
  std::vector<double> Values(double PlotPoint::*coordinate) const {
    std::vector<double> values;
    for (const PlotSeries& series : plot_.series) {
      for (const PlotPoint& point : series.points) values.push_back(point.*coordinate);
    }
    if (coordinate == &PlotPoint::x) {
      for (const PlotBand& band : plot_.bands) values.push_back(band.to);
    }
    return values;
  }

  bool CanDraw(const PlotPoint& point) const {
    return std::isfinite(point.x) && std::isfinite(point.y) && (plot_.y_scale != Scale::kLogarithm || point.y > 0) &&
           (plot_.x_scale != Scale::kLogarithm || point.x > 0);
  }

  void DrawBands(std::string* svg) const {
    const double bottom = plot_.height - kBottom;
    for (const PlotBand& band : plot_.bands) {
      const double from = x_.Position(band.from), width = std::max(1.0, x_.Position(band.to) - from);
      absl::StrAppend(svg, "<rect x=\"", Px(from), "\" y=\"", Px(kTop), "\" width=\"", Px(width), "\" height=\"",
                      Px(bottom - kTop), "\" class=\"band f", band.colour, "\"><title>", Escape(band.title),
                      "</title></rect>");
      absl::StrAppend(svg, "<rect x=\"", Px(from), "\" y=\"", Px(bottom - 4), "\" width=\"", Px(width),
                      "\" height=\"4\" class=\"f", band.colour, "\"/>");
    }
  }

  void DrawAxes(std::string* svg) const {
    const double bottom = plot_.height - kBottom, right = plot_.width - kRight;
    for (const auto& [value, text] : y_.ticks()) {
      const double y = y_.Position(value);
      absl::StrAppend(svg, "<path d=\"M", Px(kLeft), " ", Px(y), "H", Px(right), "\" class=\"grid\"/>",
                      TextAt(kLeft - 8, y + 4, "tick end", text));
    }
    for (const auto& [value, text] : x_.ticks()) {
      const double x = x_.Position(value);
      absl::StrAppend(svg, "<path d=\"M", Px(x), " ", Px(bottom), "v5\" class=\"axis\"/>",
                      TextAt(x, bottom + 19, "tick middle", text));
    }
    absl::StrAppend(svg, "<path d=\"M", Px(kLeft), " ", Px(bottom), "H", Px(right), "\" class=\"axis\"/>",
                    TextAt((kLeft + right) / 2, plot_.height - 8, "title middle", plot_.x_title),
                    TextAt(4, 13, "title", plot_.y_title));
  }

  void DrawLine(const PlotSeries& series, std::string* svg) const {
    std::string path;
    bool pen_is_down = false;
    for (const PlotPoint& point : series.points) {
      if (!CanDraw(point)) {
        pen_is_down = false;
        continue;
      }
      // A point between two gaps is a line without length, which its round ends show.
      absl::StrAppend(&path, pen_is_down ? "L" : "M", Px(x_.Position(point.x)), " ", Px(y_.Position(point.y)),
                      pen_is_down ? "" : "h0");
      pen_is_down = true;
    }
    absl::StrAppend(svg, "<path d=\"", path, "\" class=\"line c", series.colour, series.dashed ? " dashed" : "",
                    "\"/>");
  }

  void DrawPoints(const PlotSeries& series, std::string* svg) const {
    for (const PlotPoint& point : series.points) {
      if (!CanDraw(point)) continue;
      const double x = x_.Position(point.x), y = y_.Position(point.y);
      if (series.dots) {
        absl::StrAppend(svg, "<circle cx=\"", Px(x), "\" cy=\"", Px(y), "\" r=\"4.5\" class=\"dot f", series.colour,
                        "\"><title>", Escape(point.title), "</title></circle>");
      }
      if (!point.label.empty()) svg->append(TextAt(x, y - 10, "label middle", point.label));
    }
  }

  const LinePlot& plot_;
  Axis x_;
  const Axis y_;
};

}  // namespace

std::string Draw(const LinePlot& plot) {
  return LineDrawing(plot).Draw();
}

std::string Draw(const BarPlot& plot) {
  constexpr double kWidth = 540, kPitch = 54, kThickness = 22, kLongest = 400;
  std::string svg = Head(kWidth, static_cast<double>(plot.bars.size()) * kPitch + 6, plot.name);
  double largest = 0;
  for (const Bar& bar : plot.bars) largest = std::max(largest, bar.value);
  double y = 0;
  for (const Bar& bar : plot.bars) {
    const double length = largest > 0 ? std::max(3.0, bar.value / largest * kLongest) : 3;
    absl::StrAppend(&svg, "<text x=\"0\" y=\"", Px(y + 15), "\" class=\"name\">", Escape(bar.name),
                    "<tspan class=\"label\" dx=\"8\">", Escape(bar.detail), "</tspan></text>");
    // Square where the bar begins, round where it ends.
    const std::string shape =
        absl::StrFormat("M0 %.1fh%.1fq3 0 3 3v%.1fq0 3 -3 3h%.1fz", y + 22, length - 3, kThickness - 6, -(length - 3));
    absl::StrAppend(&svg, "<path d=\"", shape, "\" class=\"f", bar.colour, "\"/>");
    if (bar.hatched) absl::StrAppend(&svg, "<path d=\"", shape, "\" class=\"hatch\"/>");
    svg += TextAt(length + 8, y + 22 + kThickness / 2 + 5, "value", bar.text);
    y += kPitch;
  }
  return svg + "</svg>\n";
}

std::string Draw(const SharePlot& plot) {
  constexpr double kWidth = 1080, kPitch = 30, kThickness = 18, kBegin = 190, kLongest = 780;
  std::string svg = Head(kWidth, static_cast<double>(plot.bars.size()) * kPitch + 4, plot.name);
  double y = 4;
  for (const ShareBar& bar : plot.bars) {
    svg += TextAt(kBegin - 10, y + 14, "tick end", bar.name);
    double whole = 0, x = kBegin;
    for (const double part : bar.parts) whole += part;
    for (size_t i = 0; i < bar.parts.size() && whole > 0; ++i) {
      const double length = bar.parts[i] / whole * kLongest;
      if (length > 0.5) {
        absl::StrAppend(&svg, "<rect x=\"", Px(x), "\" y=\"", Px(y), "\" width=\"", Px(std::max(0.8, length - 1.5)),
                        "\" height=\"", Px(kThickness), "\" rx=\"2\" class=\"p", i, "\"><title>",
                        Escape(absl::StrFormat("%s: %.3g ms, %.1f %%", plot.part_names[i], bar.parts[i],
                                               100 * bar.parts[i] / whole)),
                        "</title></rect>");
      }
      x += length;
    }
    svg += TextAt(kBegin + kLongest + 10, y + 14, "label", bar.text);
    y += kPitch;
  }
  svg += "</svg>\n<ul class=\"legend\">";
  for (size_t i = 0; i < plot.part_names.size(); ++i) {
    absl::StrAppend(&svg,
                    "<li><svg viewBox=\"0 0 12 12\" class=\"box\"><rect width=\"12\" height=\"12\" rx=\"2\" class=\"p",
                    i, "\"/></svg>", Escape(plot.part_names[i]), "</li>");
  }
  return svg + "</ul>\n";
}

}  // namespace msq::bench
