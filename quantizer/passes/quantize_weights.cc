// Alpha by scan and refinement; rounding to nearest, or with error compensation: weights are rounded one column after the
// other, and what each rounding does to the layer's output on the calibration inputs is undone as well as possible by the
// columns still to come. That is Gaussian elimination on the inputs' covariance: with U the upper Cholesky factor of its
// inverse, an error e in column i moves column j > i by -e * U(i,j) / U(i,i).
#include "quantizer/passes/quantize_weights.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/numerics/requantize.h"

namespace msq::quantizer {
namespace {

using Eigen::MatrixXf;
using numerics::Scheme;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::span<const int8_t> Magnitudes(Scheme scheme) {
  if (scheme == Scheme::kSp2) return numerics::kSp2Magnitudes;
  if (scheme == Scheme::kP2) return numerics::kP2Magnitudes;
  return numerics::kFixed4Magnitudes;
}

double SquaredError(std::span<const float> row, Scheme scheme, float alpha) {
  const float unit = alpha / static_cast<float>(numerics::FullScale(scheme));
  double error = 0;
  for (float w : row) {
    const float difference = w - unit * static_cast<float>(NearestLevel(scheme, w / unit));
    error += static_cast<double>(difference) * difference;
  }
  return error;
}

// Order and elimination factors of one group of columns.
struct Elimination {
  std::vector<int64_t> order;  // columns of large variance first: the later ones make up for them
  RowMajor upper;              // U, in that order
};

// Nullopt-like: an empty `order` when the covariance gives nothing to work with.
Elimination Eliminate(const MatrixXf& covariance) {
  const Eigen::Index k = covariance.rows();
  Elimination result;
  const float mean = covariance.diagonal().mean();
  if (!std::isfinite(mean) || mean <= 0) return result;
  std::vector<int64_t> order(static_cast<size_t>(k));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return covariance(a, a) > covariance(b, b); });
  MatrixXf ordered(k, k);
  for (Eigen::Index i = 0; i < k; ++i) {
    for (Eigen::Index j = 0; j < k; ++j) ordered(i, j) = covariance(order[i], order[j]);
  }
  ordered.diagonal().array() += 0.01f * mean;  // keeps columns that never vary from taking all the blame
  const MatrixXf inverse = ordered.llt().solve(MatrixXf::Identity(k, k));
  const Eigen::LLT<MatrixXf, Eigen::Upper> factor(inverse);
  if (factor.info() != Eigen::Success) return result;
  result.upper = factor.matrixU();
  if (!result.upper.allFinite() || result.upper.diagonal().minCoeff() <= 0) return result;
  result.order = std::move(order);
  return result;
}

// Rounds a row and returns the squared error: of the layer's output where there is an elimination, else of the weights.
float RoundRow(std::span<const float> row, Scheme scheme, float alpha, const Elimination& elimination,
               std::span<int8_t> values) {
  const float unit = alpha / static_cast<float>(numerics::FullScale(scheme));
  const auto k = static_cast<Eigen::Index>(row.size());
  float squares = 0;
  if (elimination.order.empty()) {
    for (Eigen::Index i = 0; i < k; ++i) {
      values[i] = NearestLevel(scheme, row[i] / unit);
      const float error = row[i] - unit * static_cast<float>(values[i]);
      squares += error * error;
    }
    return squares;
  }
  Eigen::RowVectorXf rest(k);
  for (Eigen::Index i = 0; i < k; ++i) rest(i) = row[elimination.order[i]];
  for (Eigen::Index i = 0; i < k; ++i) {
    const int8_t value = NearestLevel(scheme, rest(i) / unit);
    values[elimination.order[i]] = value;
    const float error = (rest(i) - unit * static_cast<float>(value)) / elimination.upper(i, i);
    rest.tail(k - i - 1) -= error * elimination.upper.row(i).tail(k - i - 1);
    squares += error * error;
  }
  return squares;
}

// With compensation the best alpha is not that of rounding to nearest, but lies around it.
float FitCompensated(std::span<const float> row, Scheme scheme, float nearest, const Elimination& elimination,
                     std::span<int8_t> values) {
  float best = nearest, least = std::numeric_limits<float>::infinity();
  for (const float factor : {0.8f, 0.86f, 0.92f, 0.96f, 1.0f, 1.05f, 1.12f, 1.2f, 1.3f}) {
    const float error = RoundRow(row, scheme, nearest * factor, elimination, values);
    if (error < least) best = nearest * factor, least = error;
  }
  return best;
}

int64_t Magnitude(std::span<const int8_t> values) {
  int64_t sum = 0;
  for (int8_t value : values) sum += std::abs(int{value});
  return sum;
}

}  // namespace

int8_t NearestLevel(Scheme scheme, float steps) {
  const float magnitude = std::fabs(steps);
  int level;
  if (scheme == Scheme::kFixed4 || scheme == Scheme::kFixed8) {
    level = static_cast<int>(std::ceil(std::min(magnitude, static_cast<float>(numerics::FullScale(scheme))) - 0.5f));
  } else {
    const std::span<const int8_t> levels = Magnitudes(scheme);
    size_t i = 0;
    while (i + 1 < levels.size() && magnitude > 0.5f * static_cast<float>(levels[i] + levels[i + 1])) ++i;
    level = levels[i];
  }
  return static_cast<int8_t>(steps < 0 ? -level : level);
}

float FitAlpha(std::span<const float> row, Scheme scheme) {
  float high = 0;
  for (float w : row) high = std::max(high, std::fabs(w));
  if (high == 0 || !std::isfinite(high)) return 1.0f;
  constexpr int kScan = 60, kRefine = 10;
  const float from = scheme == Scheme::kFixed8 ? 0.7f : 0.25f, to = 1.05f, step = (to - from) / kScan;
  float best = high;
  double best_error = SquaredError(row, scheme, best);
  const auto consider = [&](float alpha) {
    const double error = SquaredError(row, scheme, alpha);
    if (error < best_error) best = alpha, best_error = error;
  };
  for (int i = 0; i <= kScan; ++i) consider(high * (from + static_cast<float>(i) * step));
  const float middle = best;
  for (int i = -kRefine; i <= kRefine; ++i) consider(middle + high * step * static_cast<float>(i) / kRefine);
  return best;
}

ir::Weights QuantizeWeights(const Linear& linear, const std::vector<Scheme>& schemes, const InputStatistics& statistics,
                            int max_code, const std::vector<float>& min_alpha, ThreadPool& pool, int* widened) {
  ir::Weights weights;
  weights.rows = linear.rows;
  weights.row_length = linear.row_length;
  weights.schemes = schemes;
  weights.values.resize(linear.weights.size());
  weights.alphas.resize(static_cast<size_t>(linear.rows));
  const Elimination none;
  std::vector<Elimination> eliminations(statistics.covariance.size());
  pool.ParallelFor(static_cast<int64_t>(eliminations.size()),
                   [&](int64_t g) { eliminations[g] = Eliminate(statistics.covariance[g]); });
  const int64_t group_rows = linear.rows / linear.groups, k = linear.row_length;
  const int64_t limit = (numerics::kAccumulatorLimit - 1) / max_code;
  std::atomic<int> wide = 0;
  pool.ParallelFor(linear.rows, [&](int64_t r) {
    const std::span<const float> row = std::span(linear.weights).subspan(r * k, k);
    const std::span<int8_t> values = std::span(weights.values).subspan(r * k, k);
    const Elimination& elimination = eliminations.empty() ? none : eliminations[r / group_rows];
    float alpha = FitAlpha(row, schemes[r]);
    if (!elimination.order.empty() && schemes[r] != Scheme::kFixed8) {
      alpha = FitCompensated(row, schemes[r], alpha, elimination, values);
    }
    if (!min_alpha.empty()) alpha = std::max(alpha, min_alpha[r]);
    RoundRow(row, schemes[r], alpha, elimination, values);
    if (Magnitude(values) > limit) ++wide;
    while (Magnitude(values) > limit) {
      alpha *= 1.01f * static_cast<float>(Magnitude(values)) / static_cast<float>(limit);
      RoundRow(row, schemes[r], alpha, elimination, values);
    }
    weights.alphas[r] = alpha;
  });
  *widened = wide;
  return weights;
}

std::vector<float> Dequantize(const ir::Weights& weights) {
  std::vector<float> result(weights.values.size());
  for (size_t i = 0; i < result.size(); ++i) {
    const size_t r = i / static_cast<size_t>(weights.row_length);
    result[i] = weights.alphas[r] / static_cast<float>(numerics::FullScale(weights.schemes[r])) *
                static_cast<float>(weights.values[i]);
  }
  return result;
}

}  // namespace msq::quantizer
