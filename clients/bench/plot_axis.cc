#include "clients/bench/plot_axis.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/bench/report_numbers.h"

namespace msq::bench {
namespace {

std::string TickText(double value) {
  return std::abs(value) >= 1000 ? Digits(value) : absl::StrFormat("%g", value);
}

}  // namespace

Axis::Axis(Scale scale, const std::vector<double>& values, double begin_px, double end_px)
    : scale_(scale), begin_px_(begin_px), end_px_(end_px) {
  double least = 0, largest = 0;
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value) || (scale == Scale::kLogarithm && value <= 0)) continue;
    least = any ? std::min(least, value) : value;
    largest = any ? std::max(largest, value) : value;
    any = true;
  }
  if (!any) largest = 1;
  switch (scale) {
    case Scale::kLinear:
      AddLinearTicks(largest);
      break;
    case Scale::kFitted:
      AddLinearTicks(largest);
      high_ = std::max(largest, 1e-9);
      while (ticks_.size() > 1 && ticks_.back().first > high_) ticks_.pop_back();
      break;
    case Scale::kLogarithm:
      AddLogarithmTicks(any ? least : 1, largest);
      break;
    case Scale::kPercentile:
      AddPercentileTicks(largest);
      break;
  }
}

double Axis::Transform(double value) const {
  switch (scale_) {
    case Scale::kLogarithm:
      return std::log10(value);
    case Scale::kPercentile:
      return -std::log10(1 - value);
    case Scale::kLinear:
    case Scale::kFitted:
      break;
  }
  return value;
}

double Axis::Position(double value) const {
  return begin_px_ + (Transform(value) - low_) / (high_ - low_) * (end_px_ - begin_px_);
}

void Axis::SetTicks(const std::vector<double>& values) {
  ticks_.clear();
  for (const double value : values) {
    const double transformed = Transform(value);
    if (transformed >= low_ && transformed <= high_) ticks_.emplace_back(value, TickText(value));
  }
}

void Axis::AddLinearTicks(double largest) {
  const double rough = std::max(largest, 1e-9) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  const int count = static_cast<int>(std::ceil(std::max(largest, 1e-9) / step - 1e-9));
  for (int i = 0; i <= count; ++i) ticks_.emplace_back(i * step, TickText(i * step));
  high_ = count * step;
}

void Axis::AddLogarithmTicks(double least, double largest) {
  low_ = std::log10(least);
  high_ = std::log10(largest);
  const double margin = std::max(0.04 * (high_ - low_), 0.05);
  low_ -= margin;
  high_ += margin;
  const bool fine = high_ - low_ < 2.6;
  for (int power = static_cast<int>(std::floor(low_)); power <= static_cast<int>(std::ceil(high_)); ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      const bool inside = std::log10(value) >= low_ && std::log10(value) <= high_;
      if (inside && (fine || factor == 1)) ticks_.emplace_back(value, TickText(value));
    }
  }
}

void Axis::AddPercentileTicks(double largest) {
  high_ = std::max(-std::log10(1 - std::min(largest, 0.999999)), 1.0);
  for (const double q : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    if (-std::log10(1 - q) <= high_ + 1e-9) ticks_.emplace_back(q, absl::StrFormat("%g", q * 100));
  }
}

}  // namespace msq::bench
