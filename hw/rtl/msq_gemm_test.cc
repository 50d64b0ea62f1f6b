// The array in a shape, MSQ_P, MSQ_F, MSQ_S and MSQ_Q, against sums of products: read-outs of all sizes, bubbles,
// extreme operands.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>

#include MSQ_DUT_HEADER
#include "hw/rtl/msq_gemm_bench.h"

namespace msq::hw {
namespace {

constexpr GemmShape kShape = {MSQ_P, MSQ_F, MSQ_S, MSQ_Q};

class GemmTest : public testing::Test {
 protected:
  GemmBench<MSQ_DUT> bench_{kShape, 7};
};

TEST_F(GemmTest, SumsRandomPassesWithBubbles) {
  std::mt19937 random(3);
  int64_t expected = 0;
  for (int i = 0; i < 250; ++i) {
    Pass pass;
    pass.steps = 1 + static_cast<int>(random() % (i % 8 == 0 ? 40 : 6));
    pass.last_px = 1 + static_cast<int>(random() % static_cast<uint32_t>(kShape.pixels));
    pass.last_grp = 1 + static_cast<int>(random() % static_cast<uint32_t>(kShape.Groups()));
    pass.bubble_percent = i % 3 == 0 ? 40 : 0;
    pass.slack = static_cast<int>(random() % 3);
    pass.operands = i % 5 == 0 ? Operands::kCorners : Operands::kRandom;
    bench_.Run(pass);
    expected += pass.last_px * pass.last_grp * kShape.drained;
  }
  EXPECT_EQ(bench_.Finish(), expected);
  EXPECT_GT(expected, 500);
}

// No cycle is lost: each pass is as long as its read-out, or one step long and as close as allowed.
TEST_F(GemmTest, RunsPassesAtTheSmallestDistance) {
  int64_t expected = 0;
  for (int round = 0; round < 12; ++round) {
    for (int px = 1; px <= kShape.pixels; ++px) {
      for (int grp = 1; grp <= kShape.Groups(); ++grp) {
        const int steps = round % 2 ? px * grp : 1;
        bench_.Run({steps, px, grp, 0, 0, Operands::kRandom});
        expected += px * grp * kShape.drained;
      }
    }
  }
  EXPECT_EQ(bench_.Finish(), expected);
  EXPECT_GT(expected, 0);
}

TEST_F(GemmTest, HoldsTheExtremes) {
  const int items = kShape.pixels * kShape.Groups();
  for (const Operands operands : {Operands::kLargest, Operands::kSmallest, Operands::kCorners, Operands::kLargest}) {
    bench_.Run({60, kShape.pixels, kShape.Groups(), 0, 0, operands});
  }
  EXPECT_EQ(bench_.Finish(), int64_t{4} * items * kShape.drained);
}

// 2^24 is passed after 4228 such steps.
TEST_F(GemmTest, WrapsAt24Bits) {
  bench_.Run({4500, kShape.pixels, 1, 0, 0, Operands::kLargest});
  bench_.Run({9000, kShape.pixels, 1, 0, 0, Operands::kSmallest});
  EXPECT_EQ(bench_.Finish(), 2 * kShape.pixels * kShape.drained);
}

}  // namespace
}  // namespace msq::hw
