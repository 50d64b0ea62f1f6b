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
  FloatGraph graph;
  graph.values = {{"x", {9}}, {"y", {5}}};
  graph.nodes = {{"n", DenseOf(weights, 5), {0}, 1}};
  constexpr Scheme kF = Scheme::kFixed4, kS = Scheme::kSp2;
  const auto schemes = [&graph](bool weights8, SchemeChoice choice, double sp2_share) {
    Plan plan;
    plan.weights8 = {weights8};
    QuantizeOptions options;
    options.scheme = choice;
    options.sp2_share = sp2_share;
    return AssignSchemes(graph, plan, options)[0];
  };
  EXPECT_EQ(schemes(false, SchemeChoice::kMsq, 0.6), (std::vector<Scheme>{kS, kS, kF, kS, kF}));
  EXPECT_EQ(schemes(false, SchemeChoice::kMsq, 0.0), std::vector<Scheme>(5, kF));
  EXPECT_EQ(schemes(false, SchemeChoice::kMsq, 1.0), std::vector<Scheme>(5, kS));
  EXPECT_EQ(schemes(false, SchemeChoice::kP2, 0.6), std::vector<Scheme>(5, Scheme::kP2));
  EXPECT_EQ(schemes(true, SchemeChoice::kSp2, 0.6), std::vector<Scheme>(5, Scheme::kFixed8));
}

// n0: x -> a. n1, depthwise: a -> b. n2: b -> c. n3: c + x -> d, pooled to e. n4: e + b -> f, of 8 bits.
TEST(AssignSchemes, TiedLayersChooseTogether) {
  const auto layer = [](const std::vector<float>& sigmas, int64_t groups, uint32_t seed) {
    Linear linear;
    linear.rows = 4;
    linear.groups = groups;
    linear.row_length = groups == 4 ? 9 : 4;
    if (groups == 4) linear.window.kernel = {3, 3};
    for (const float sigma : sigmas) {
      const std::vector<float> row = Normal(static_cast<int>(linear.row_length), seed++, sigma);
      linear.weights.insert(linear.weights.end(), row.begin(), row.end());
    }
    return linear;
  };
  FloatGraph graph;
  for (const char* name : {"x", "a", "b", "c", "d", "e", "f"}) graph.values.push_back({name, {4, 8, 8}});
  graph.nodes = {{"n0", layer({9, 1, 1, 0.1f}, 1, 1), {0}, 1},
                 {"n1", layer({1, 1, 0.1f, 30}, 4, 11), {1}, 2},
                 {"n2", layer({1, 9, 9, 1}, 1, 21), {2}, 3},
                 {"n3", layer({9, 1, 9, 1}, 1, 31), {3, 0}, 4},
                 {"n4", ir::MaxPool{}, {4}, 5},
                 {"n5", layer({9, 9, 1, 1}, 1, 41), {5, 2}, 6}};
  Plan plan;
  plan.weights8 = {false, false, false, false, false, true};
  QuantizeOptions options;
  options.sp2_share = 0.5;
  const auto fixed = [&](size_t node) {
    std::vector<size_t> rows;
    const std::vector<Scheme> schemes = AssignSchemes(graph, plan, options)[node];
    for (size_t r = 0; r < schemes.size(); ++r) {
      if (schemes[r] == Scheme::kFixed4) rows.push_back(r);
    }
    return rows;
  };
  // The depthwise layer and the one before it; the others add to nothing that is tied to them.
  EXPECT_EQ(fixed(0), (std::vector<size_t>{0, 3}));
  EXPECT_EQ(fixed(1), (std::vector<size_t>{0, 3}));
  EXPECT_EQ(fixed(2), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(fixed(3), (std::vector<size_t>{0, 2}));
  EXPECT_TRUE(fixed(5).empty());
  // A sum of n1 and n3 ties all but n2.
  std::get<Linear>(graph.nodes[5].op).weights.assign(16, 0.0f);
  plan.weights8[5] = false;
  graph.nodes[3].inputs = {3, 1};
  const std::vector<size_t> joint = fixed(0);
  for (size_t node : {1, 3, 5}) EXPECT_EQ(fixed(node), joint) << node;
  EXPECT_EQ(fixed(2), (std::vector<size_t>{1, 2}));
  options.tied_rows = false;
  EXPECT_EQ(fixed(0).front(), 0u);
  EXPECT_NE(fixed(1), fixed(3));
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
