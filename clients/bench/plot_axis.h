// One axis of a plot: values to positions, and where its ticks are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clients/bench/plot.h"

namespace msq::bench {

class Axis {
 public:
  // Covers `values`; those that are not finite, or not positive on a logarithm, are passed over.
  Axis(Scale scale, const std::vector<double>& values, double begin_px, double end_px);

  double Position(double value) const;
  // Ticks at these values instead, as far as they lie on the axis.
  void SetTicks(const std::vector<double>& values);
  // (value, text)
  const std::vector<std::pair<double, std::string>>& ticks() const { return ticks_; }

 private:
  double Transform(double value) const;
  void AddLinearTicks(double largest);
  void AddLogarithmTicks(double least, double largest);
  void AddPercentileTicks(double largest);

  const Scale scale_;
  const double begin_px_, end_px_;
  double low_ = 0, high_ = 1;  // transformed
  std::vector<std::pair<double, std::string>> ticks_;
};

}  // namespace msq::bench
