// Levels, alpha, compensation, bounds, scheme assignment and range choice.
#include "quantizer/passes/quantize_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quantizer/passes/assign_schemes.h"
#include "quantizer/passes/choose_range.h"

namespace msq::quantizer {
namespace {

using numerics::Scheme;

std::vector<float> Normal(size_t count, unsigned seed, float sigma = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, sigma);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double SquaredError(const std::vector<float>& row, Scheme scheme, float alpha) {
  double error = 0;
  const float unit = alpha / static_cast<float>(numerics::FullScale(scheme));
  for (float w : row) error += std::pow(w - unit * NearestLevel(scheme, w / unit), 2.0);
  return error;
}

TEST(NearestLevel, IsTheNearestOfTheSetAndTiesGoDown) {
  for (const Scheme scheme : {Scheme::kFixed4, Scheme::kSp2, Scheme::kP2, Scheme::kFixed8}) {
    for (float steps = -130; steps <= 130; steps += 0.25f) {
      int best = 0;
      for (int value = -128; value <= 127; ++value) {
        if (!numerics::EncodeWeight(scheme, static_cast<int8_t>(value))) continue;
        const float distance = std::fabs(steps - value), best_distance = std::fabs(steps - best);
        if (distance < best_distance || (distance == best_distance && std::abs(value) < std::abs(best))) best = value;
      }
      EXPECT_EQ(NearestLevel(scheme, steps), best) << static_cast<int>(scheme) << " " << steps;
    }
  }
}

TEST(FitAlpha, IsAsGoodAsAFineScan) {
  const std::vector<float> row = Normal(300, 3);
  for (const Scheme scheme : {Scheme::kFixed4, Scheme::kSp2, Scheme::kP2, Scheme::kFixed8}) {
    double best = 1e30;
    for (float alpha = 0.5f; alpha < 4.0f; alpha += 0.001f) best = std::min(best, SquaredError(row, scheme, alpha));
    EXPECT_LE(SquaredError(row, scheme, FitAlpha(row, scheme)), best * 1.03) << static_cast<int>(scheme);
  }
}

TEST(FitAlpha, RowOfZeros) {
  EXPECT_GT(FitAlpha(std::vector<float>(9, 0.0f), Scheme::kSp2), 0.0f);
}

Linear DenseOf(std::vector<float> weights, int64_t rows) {
  Linear linear;
  linear.dense = true;
  linear.rows = rows;
  linear.row_length = static_cast<int64_t>(weights.size()) / rows;
  linear.weights = std::move(weights);
  linear.bias.assign(static_cast<size_t>(rows), 0.0f);
  return linear;
}

TEST(QuantizeWeights, CompensationLowersTheOutputError) {
  constexpr int kLength = 32, kSamples = 500;
  const Linear linear = DenseOf(Normal(8 * kLength, 5), 8);
  // Correlated inputs: a few hidden causes.
  Eigen::MatrixXf mix = Eigen::Map<Eigen::MatrixXf>(Normal(kLength * 6, 6).data(), kLength, 6);
  Eigen::MatrixXf causes = Eigen::Map<Eigen::MatrixXf>(Normal(6 * kSamples, 7).data(), 6, kSamples);
  const Eigen::MatrixXf inputs = mix * causes;
  const Eigen::MatrixXf covariance = inputs * inputs.transpose() / kSamples;
  ThreadPool pool(2);
  const auto output_error = [&](const InputStatistics& statistics) {
    int widened = 0;
    const std::vector<Scheme> schemes(8, Scheme::kFixed4);
    const ir::Weights weights = QuantizeWeights(linear, schemes, statistics, 15, {}, pool, &widened);
    EXPECT_EQ(widened, 0);
    const std::vector<float> rounded = Dequantize(weights);
    double error = 0;
    for (int r = 0; r < 8; ++r) {
      Eigen::RowVectorXf difference(kLength);
      for (int k = 0; k < kLength; ++k) difference(k) = rounded[r * kLength + k] - linear.weights[r * kLength + k];
      error += (difference * inputs).squaredNorm();
    }
    return error;
  };
  EXPECT_LT(output_error({{covariance}}), 0.5 * output_error({}));
}

TEST(QuantizeWeights, DegenerateCovarianceFallsBackToNearest) {
  const Linear linear = DenseOf(Normal(64, 8), 4);
  ThreadPool pool(1);
  int widened = 0;
  const std::vector<Scheme> schemes(4, Scheme::kSp2);
  const InputStatistics zeros{{Eigen::MatrixXf::Zero(16, 16)}};
  const ir::Weights a = QuantizeWeights(linear, schemes, zeros, 15, {}, pool, &widened);
  EXPECT_EQ(a.values, QuantizeWeights(linear, schemes, {}, 15, {}, pool, &widened).values);
}

TEST(QuantizeWeights, RowsStayBelowTheAccumulatorLimit) {
  const Linear linear = DenseOf(std::vector<float>(2 * 4000, 1.0f), 2);  // sum|w| * 255 = 1.3e8 at full scale
  ThreadPool pool(1);
  int widened = 0;
  const ir::Weights weights = QuantizeWeights(linear, {Scheme::kFixed8, Scheme::kFixed4}, {}, 255, {}, pool, &widened);
  EXPECT_EQ(widened, 1);  // 7 * 4000 * 255 fits
  for (int r = 0; r < 2; ++r) {
    int64_t sum = 0;
    for (int k = 0; k < 4000; ++k) sum += std::abs(weights.values[r * 4000 + k]);
    EXPECT_LT(sum * 255, int64_t{1} << 23);
    EXPECT_GT(sum, 0);
  }
}

TEST(AssignSchemes, SmallVarianceGoesToSp2) {
  std::vector<float> weights;
  for (const float sigma : {1.0f, 0.1f, 2.0f, 0.2f, 3.0f}) {
    const std::vector<float> row = Normal(50, 9, sigma);
    weights.insert(weights.end(), row.begin(), row.end());
  }
  const Linear linear = DenseOf(weights, 5);
  constexpr Scheme kF = Scheme::kFixed4, kS = Scheme::kSp2;
  EXPECT_EQ(AssignSchemes(linear, false, SchemeChoice::kMsq, 0.6), (std::vector<Scheme>{kS, kS, kF, kS, kF}));
  EXPECT_EQ(AssignSchemes(linear, false, SchemeChoice::kMsq, 0.0), std::vector<Scheme>(5, kF));
  EXPECT_EQ(AssignSchemes(linear, false, SchemeChoice::kMsq, 1.0), std::vector<Scheme>(5, kS));
  EXPECT_EQ(AssignSchemes(linear, false, SchemeChoice::kP2, 0.6), std::vector<Scheme>(5, Scheme::kP2));
  EXPECT_EQ(AssignSchemes(linear, true, SchemeChoice::kSp2, 0.6), std::vector<Scheme>(5, Scheme::kFixed8));
}

TEST(ParseRatio, Spellings) {
  EXPECT_DOUBLE_EQ(ParseRatio("1.5"), 0.6);
  EXPECT_DOUBLE_EQ(ParseRatio("1.5:1"), 0.6);
  EXPECT_DOUBLE_EQ(ParseRatio("5/3"), 0.625);
  EXPECT_DOUBLE_EQ(ParseRatio("0"), 0.0);
  for (const char* bad : {"", "x", "1:", "-1", "0:0", "1:2:3", "nan", "inf"}) EXPECT_LT(ParseRatio(bad), 0) << bad;
  EXPECT_DOUBLE_EQ(ShareOfTarget("paper_z045"), 2.0 / 3.0);
  EXPECT_LT(ShareOfTarget("z999"), 0);
}

TEST(ChooseRange, CutsTheTailButKeepsZeroExact) {
  std::vector<float> values = Normal(20000, 10);
  values.push_back(40.0f);
  for (const int bits : {4, 8}) {
    const CodeRange mse = ChooseRange(values, -4.0f, 40.0f, bits, RangeMethod::kMse, 0);
    EXPECT_LT(mse.High(), bits == 4 ? 6.0f : 41.0f);
    EXPECT_EQ(mse.Round(0.0f), 0.0f);
    const CodeRange percentile = ChooseRange(values, -4.0f, 40.0f, bits, RangeMethod::kPercentile, 99.9);
    EXPECT_NEAR(percentile.High(), 3.1f, 0.4f);
  }
}

TEST(ChooseRange, ReluHasZeroPointZeroAndConstantsAreSafe) {
  std::vector<float> values = Normal(1000, 12);
  for (float& value : values) value = std::fabs(value);
  EXPECT_EQ(ChooseRange(values, 0.0f, 4.0f, 4, RangeMethod::kMse, 0).zero_point, 0);
  const CodeRange zeros = ChooseRange(std::vector<float>(10, 0.0f), 0.0f, 0.0f, 4, RangeMethod::kMse, 0);
  EXPECT_GT(zeros.scale, 0.0f);
  EXPECT_EQ(zeros.Round(1.0f), zeros.High());
}

}  // namespace
}  // namespace msq::quantizer
