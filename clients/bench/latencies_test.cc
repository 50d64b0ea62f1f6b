// Quantiles against sorted values, and what is not known of few of them.
#include "clients/bench/latencies.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace msq::bench {
namespace {

TEST(LatenciesTest, NothingIsKnownOfNone) {
  const Latencies none;
  EXPECT_EQ(none.count(), 0);
  EXPECT_FALSE(none.MeanMs().has_value());
  EXPECT_FALSE(none.MinMs().has_value());
  EXPECT_FALSE(none.MaxMs().has_value());
  EXPECT_FALSE(none.QuantileMs(0.5).has_value());
  EXPECT_TRUE(none.Curve().empty());
}

TEST(LatenciesTest, QuantilesAreThoseOfTheSortedValuesToATenthOfAPercent) {
  std::mt19937 random(7);
  std::lognormal_distribution<double> ms(0.5, 1.5);
  Latencies latencies;
  std::vector<double> sorted;
  for (int i = 0; i < 20000; ++i) {
    sorted.push_back(ms(random));
    latencies.Add(sorted.back());
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double q : {0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999}) {
    const double right = sorted[static_cast<size_t>(std::ceil(q * 20000)) - 1];
    EXPECT_NEAR(latencies.QuantileMs(q).value(), right, right * 0.001) << q;
  }
  EXPECT_NEAR(latencies.MinMs().value(), sorted.front(), 1e-6);
  EXPECT_NEAR(latencies.MaxMs().value(), sorted.back(), 1e-6);
}

TEST(LatenciesTest, AQuantileNeedsAsManyValuesAsItTellsApart) {
  Latencies latencies;
  for (int i = 0; i < 99; ++i) latencies.Add(i);
  EXPECT_FALSE(latencies.QuantileMs(0.99).has_value());
  latencies.Add(99);
  EXPECT_TRUE(latencies.QuantileMs(0.99).has_value());
  EXPECT_FALSE(latencies.QuantileMs(0.999).has_value());
  for (int i = 0; i < 900; ++i) latencies.Add(1);
  EXPECT_TRUE(latencies.QuantileMs(0.999).has_value());
}

TEST(LatenciesTest, MergedIsLikeAddedOneByOne) {
  Latencies one, other, all;
  for (int i = 1; i <= 3000; ++i) {
    (i % 3 == 0 ? one : other).Add(i * 0.01);
    all.Add(i * 0.01);
  }
  one.Merge(other);
  one.Merge(Latencies());
  EXPECT_EQ(one.count(), all.count());
  EXPECT_NEAR(one.MeanMs().value(), all.MeanMs().value(), 1e-9);
  for (const double q : {0.1, 0.5, 0.99}) EXPECT_EQ(one.QuantileMs(q), all.QuantileMs(q));
}

TEST(LatenciesTest, ExtremesAreKept) {
  Latencies latencies;
  latencies.Add(-1);
  latencies.Add(1e12);
  EXPECT_EQ(latencies.MinMs(), 0);
  EXPECT_EQ(latencies.MaxMs(), 3600e3);
}

TEST(LatenciesTest, TheCurveRisesAndEndsWhereValuesAreTooFew) {
  Latencies latencies;
  for (int i = 1; i <= 1000; ++i) latencies.Add(i);
  const auto curve = latencies.Curve();
  ASSERT_GT(curve.size(), 20u);
  EXPECT_TRUE(std::is_sorted(curve.begin(), curve.end()));
  EXPECT_NEAR(curve.back().first, 0.999, 1e-9);
}

}  // namespace
}  // namespace msq::bench
