// When a measurement counts as settled.
#include "clients/bench/stability.h"

#include <gtest/gtest.h>

namespace msq::bench {
namespace {

TEST(StabilityTest, NeedsThreeRounds) {
  EXPECT_EQ(JudgeStability({{100, 1}, {100, 1}}, 10), Stability::kNotJudged);
  EXPECT_EQ(JudgeStability({{100, 1}, {100, 1}, {100, 1}}, 0), Stability::kNotJudged);
  EXPECT_EQ(JudgeStability({{100, 1}, {105, 1.05}, {95, 0.95}}, 10), Stability::kStable);
}

TEST(StabilityTest, LooksAtTheLastThreeAlone) {
  EXPECT_EQ(JudgeStability({{10, 9}, {100, 1}, {101, 1}, {99, 1}}, 5), Stability::kStable);
  EXPECT_EQ(JudgeStability({{100, 1}, {100, 1}, {100, 1}, {50, 1}}, 10), Stability::kUnstable);
}

TEST(StabilityTest, JudgesThroughputAndLatency) {
  EXPECT_EQ(JudgeStability({{100, 1}, {130, 1}, {100, 1}}, 10), Stability::kUnstable);
  EXPECT_EQ(JudgeStability({{100, 1}, {100, 1.4}, {100, 1}}, 10), Stability::kUnstable);
}

TEST(StabilityTest, JudgesWhatWasAnsweredOfWhatWasDue) {
  EXPECT_EQ(JudgeStability({{16, 1, 1.0}, {24, 1, 1.0}, {20, 1, 1.0}}, 10), Stability::kStable);
  EXPECT_EQ(JudgeStability({{20, 1, 1.0}, {20, 1, 0.7}, {20, 1, 1.0}}, 10), Stability::kUnstable);
}

TEST(StabilityTest, RoundsWithoutAnswersAreNotStable) {
  EXPECT_EQ(JudgeStability({{0, 0}, {0, 0}, {0, 0}}, 10), Stability::kUnstable);
}

}  // namespace
}  // namespace msq::bench
