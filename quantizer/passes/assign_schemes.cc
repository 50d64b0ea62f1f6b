// The paper's rule: filters of small variance to SP2, of large variance to fixed point.
#include "quantizer/passes/assign_schemes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace msq::quantizer {
namespace {

using numerics::Scheme;

double Variance(std::span<const float> row) {
  double sum = 0, squares = 0;
  for (float w : row) sum += w, squares += static_cast<double>(w) * w;
  const auto n = static_cast<double>(row.size());
  // A depthwise 1x1 row has one weight: its magnitude stands for the spread.
  return row.size() == 1 ? squares : squares / n - sum / n * sum / n;
}

}  // namespace

std::vector<Scheme> AssignSchemes(const Linear& linear, bool weights8, SchemeChoice choice, double sp2_share) {
  const auto rows = static_cast<size_t>(linear.rows);
  if (weights8) return std::vector<Scheme>(rows, Scheme::kFixed8);
  if (choice == SchemeChoice::kFixed) return std::vector<Scheme>(rows, Scheme::kFixed4);
  if (choice == SchemeChoice::kSp2) return std::vector<Scheme>(rows, Scheme::kSp2);
  if (choice == SchemeChoice::kP2) return std::vector<Scheme>(rows, Scheme::kP2);
  std::vector<double> variance(rows);
  for (size_t r = 0; r < rows; ++r) {
    variance[r] = Variance(std::span(linear.weights).subspan(r * linear.row_length, linear.row_length));
  }
  std::vector<size_t> order(rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&variance](size_t a, size_t b) { return variance[a] < variance[b]; });
  std::vector<Scheme> schemes(rows, Scheme::kFixed4);
  const auto sp2_rows = static_cast<size_t>(std::lround(sp2_share * static_cast<double>(rows)));
  for (size_t i = 0; i < std::min(sp2_rows, rows); ++i) schemes[order[i]] = Scheme::kSp2;
  return schemes;
}

}  // namespace msq::quantizer
