// The array in four builds against sums of products: shapes, read-outs of all sizes, bubbles, extreme operands.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>

#include "Vmsq_gemm_paper_dut.h"
#include "Vmsq_gemm_prims_dut.h"
#include "Vmsq_gemm_tiny_dut.h"
#include "Vmsq_gemm_z020_dut.h"
#include "hw/rtl/msq_gemm_bench.h"

namespace msq::hw {
namespace {

struct Tiny {
  using Dut = Vmsq_gemm_tiny_dut;
  static constexpr GemmShape kShape = {2, 6, 10, 16};
};
struct OfPrimitives {
  using Dut = Vmsq_gemm_prims_dut;
  static constexpr GemmShape kShape = {2, 2, 2, 4};
};
struct Z020 {
  using Dut = Vmsq_gemm_z020_dut;
  static constexpr GemmShape kShape = {4, 12, 20, 16};
};
struct OnePixel {
  using Dut = Vmsq_gemm_paper_dut;
  static constexpr GemmShape kShape = {1, 16, 24, 8};
};

template <class Build>
class GemmTest : public testing::Test {
 protected:
  static constexpr GemmShape kShape = Build::kShape;
  GemmBench<typename Build::Dut> bench_{kShape, 7};
};
using Builds = testing::Types<Tiny, OfPrimitives, Z020, OnePixel>;
TYPED_TEST_SUITE(GemmTest, Builds);

TYPED_TEST(GemmTest, SumsRandomPassesWithBubbles) {
  std::mt19937 random(3);
  int64_t expected = 0;
  for (int i = 0; i < 250; ++i) {
    Pass pass;
    pass.steps = 1 + static_cast<int>(random() % (i % 8 == 0 ? 40 : 6));
    pass.last_px = 1 + static_cast<int>(random() % static_cast<uint32_t>(this->kShape.pixels));
    pass.last_grp = 1 + static_cast<int>(random() % static_cast<uint32_t>(this->kShape.Groups()));
    pass.bubble_percent = i % 3 == 0 ? 40 : 0;
    pass.slack = static_cast<int>(random() % 3);
    pass.operands = i % 5 == 0 ? Operands::kCorners : Operands::kRandom;
    this->bench_.Run(pass);
    expected += pass.last_px * pass.last_grp * this->kShape.drained;
  }
  EXPECT_EQ(this->bench_.Finish(), expected);
  EXPECT_GT(expected, 500);
}

// No cycle is lost: each pass is as long as its read-out, or one step long and as close as allowed.
TYPED_TEST(GemmTest, RunsPassesAtTheSmallestDistance) {
  int64_t expected = 0;
  for (int round = 0; round < 12; ++round) {
    for (int px = 1; px <= this->kShape.pixels; ++px) {
      for (int grp = 1; grp <= this->kShape.Groups(); ++grp) {
        const int steps = round % 2 ? px * grp : 1;
        this->bench_.Run({steps, px, grp, 0, 0, Operands::kRandom});
        expected += px * grp * this->kShape.drained;
      }
    }
  }
  EXPECT_EQ(this->bench_.Finish(), expected);
  EXPECT_GT(expected, 0);
}

TYPED_TEST(GemmTest, HoldsTheExtremes) {
  const int items = this->kShape.pixels * this->kShape.Groups();
  for (const Operands operands : {Operands::kLargest, Operands::kSmallest, Operands::kCorners, Operands::kLargest}) {
    this->bench_.Run({60, this->kShape.pixels, this->kShape.Groups(), 0, 0, operands});
  }
  EXPECT_EQ(this->bench_.Finish(), int64_t{4} * items * this->kShape.drained);
}

// 2^24 is passed after 4228 such steps.
TEST(GemmWrapTest, WrapsAt24Bits) {
  GemmBench<Vmsq_gemm_tiny_dut> bench(Tiny::kShape, 5);
  bench.Run({4500, 2, 1, 0, 0, Operands::kLargest});
  bench.Run({9000, 2, 1, 0, 0, Operands::kSmallest});
  EXPECT_EQ(bench.Finish(), 2 * 2 * 16);
}

}  // namespace
}  // namespace msq::hw
