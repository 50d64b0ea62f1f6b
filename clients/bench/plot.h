// Plots as SVG, for a page with the style sheet of page_style.h: colours are classes of it, numbered.
#pragma once

#include <string>
#include <vector>

namespace msq::bench {

enum class Scale {
  kLinear,      // from 0
  kFitted,      // the same, and it ends with the largest value
  kLogarithm,   // of positive values only
  kPercentile,  // shares of 1, finer towards 1: 0, 0.5, 0.9, 0.99, ...
};

struct PlotPoint {
  double x = 0, y = 0;     // y NaN: the line is interrupted
  std::string label = {};  // beside the point
  std::string title = {};  // under the pointer
};

struct PlotSeries {
  std::string name = {};
  int colour = 0;
  bool dashed = false, dots = true;
  std::vector<PlotPoint> points = {};
};

// A stretch of the x axis.
struct PlotBand {
  double from = 0, to = 0;
  int colour = 0;
  std::string title = {};
};

struct LinePlot {
  std::string name = {};  // for those who do not see it
  std::string x_title = {}, y_title = {};
  Scale x_scale = Scale::kLinear, y_scale = Scale::kLinear;
  double width = 540, height = 330;
  bool legend = true;
  std::vector<double> x_ticks = {};  // instead of those that the scale would have
  std::vector<PlotSeries> series = {};
  std::vector<PlotBand> bands = {};
};
std::string Draw(const LinePlot& plot);

struct Bar {
  std::string name = {}, detail = {};
  double value = 0;
  std::string text = {};  // the value, as it is written
  int colour = 0;
  bool hatched = false;  // an estimate
};
struct BarPlot {
  std::string name = {};
  std::vector<Bar> bars = {};
};
std::string Draw(const BarPlot& plot);

// Parts of a whole: bars of one length.
struct ShareBar {
  std::string name = {};
  std::vector<double> parts = {};  // as many as there are part names
  std::string text = {};           // of the whole
};
struct SharePlot {
  std::string name = {};
  std::vector<std::string> part_names = {};
  std::vector<ShareBar> bars = {};
};
std::string Draw(const SharePlot& plot);

}  // namespace msq::bench
