// msq_conv against the loops of the programmer's guide: random instructions, throughput, abort, what it refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "Vmsq_conv_paper_z020.h"
#include "Vmsq_conv_paper_z045.h"
#include "Vmsq_conv_tiny.h"
#include "Vmsq_conv_z020.h"
#include "Vmsq_conv_z045.h"
#include "hw/rtl/msq_conv_bench.h"
#include "hw/rtl/msq_conv_model.h"
#include "hw/rtl/testing/every_configuration.h"

namespace msq::hw {
namespace {

template <typename DutT, int kP, int kO, int kQ, int kBanks>
struct Build {
  using Dut = DutT;
  static constexpr ArrayShape kShape = {.p = kP, .o = kO, .q = kQ, .banks = kBanks};
};

template <typename B>
class ConvTest : public ::testing::Test {
 protected:
  static constexpr ArrayShape kShape = B::kShape;
  ConvBench<B> bench_;
};

using Builds = ::testing::Types<Build<Vmsq_conv_tiny, 2, 16, 16, 3>, Build<Vmsq_conv_z020, 4, 32, 16, 5>,
                                Build<Vmsq_conv_z045, 8, 64, 32, 11>, Build<Vmsq_conv_paper_z020, 1, 40, 8, 2>,
                                Build<Vmsq_conv_paper_z045, 4, 48, 16, 5>>;
TYPED_TEST_SUITE(ConvTest, Builds);
static_assert(CoverEveryConfiguration(Builds(), [](auto build, const Configuration& configuration) {
  constexpr ArrayShape kShape = build.kShape;
  return kShape.p == configuration.p && kShape.o == configuration.lanes() && kShape.q == configuration.q &&
         kShape.banks == configuration.banks;
}));

// A same-padded 3x3 convolution.
ConvCase SamePadded(int size, int stride, const ArrayShape& shape) {
  ConvCase conv;
  conv.height = conv.width = size;
  conv.groups = 2;
  conv.kernel_h = conv.kernel_w = 3;
  conv.stride_y = conv.stride_x = stride;
  conv.first_y = conv.first_x = -1;
  conv.out_width = size / stride;
  conv.pixels = conv.out_width * conv.out_width;
  conv.tiles = 3;
  conv.last_groups = shape.o / shape.q;
  conv.weight_rows = conv.steps();
  return conv;
}

TYPED_TEST(ConvTest, RandomInstructions) {
  std::mt19937_64 random(23);
  ConvStats total;
  int streams = 0;
  for (int i = 0; i < 400; ++i) {
    const ConvCase conv = RandomCase(TestFixture::kShape, ConvBench<TypeParam>::kBufferRows, &random);
    ConvPace pace;
    if (i % 4 != 0) pace.rows = 10 + static_cast<int>(random() % 90);
    if (i % 4 != 1) pace.credits = 10 + static_cast<int>(random() % 90);
    ConvStats stats;
    ASSERT_TRUE(this->bench_.Run(conv, pace, &stats)) << "instruction " << i;
    total.steps += stats.steps;
    total.stall_weights += stats.stall_weights;
    total.stall_drain += stats.stall_drain;
    total.stall_bank += stats.stall_bank;
    streams += conv.stream ? 1 : 0;
  }
  EXPECT_GT(total.steps, 20000);
  EXPECT_GT(total.stall_weights, 1000);
  EXPECT_GT(total.stall_drain, 1000);
  EXPECT_GT(streams, 20);
  if (TestFixture::kShape.p > 1) {
    EXPECT_GT(total.stall_bank, 1000);
  }
}

TYPED_TEST(ConvTest, AStepACycle) {
  ConvStats stats;
  ASSERT_TRUE(this->bench_.Run(SamePadded(28, 1, TestFixture::kShape), {}, &stats));
  EXPECT_GT(stats.steps, 1000);
  EXPECT_LE(static_cast<double>(stats.cycles), 1.02 * static_cast<double>(stats.steps));
  ASSERT_TRUE(this->bench_.Run(SamePadded(32, 2, TestFixture::kShape), {}, &stats));
  EXPECT_GT(stats.steps, 1000);
  EXPECT_LE(static_cast<double>(stats.cycles), 1.1 * static_cast<double>(stats.steps));
}

// One tap and no more steps a pass than the walker and the read-out of the array must have (tiny's few credits want 3).
TYPED_TEST(ConvTest, NoBubblesInShortGroups) {
  const ArrayShape shape = TestFixture::kShape;
  ConvCase conv;
  conv.height = conv.width = 16;
  conv.out_width = 16;
  conv.pixels = 256;
  conv.groups = std::max(3, shape.p * shape.o / shape.q);
  conv.plane1 = 16 * 16 * conv.groups;
  conv.pass_row = {0, 0};
  conv.pass_plane = {true, false};
  conv.tiles = 3;
  conv.last_groups = shape.o / shape.q;
  conv.weight_rows = conv.steps();
  ConvStats stats;
  ASSERT_TRUE(this->bench_.Run(conv, {}, &stats));
  EXPECT_EQ(stats.steps, 3 * 256 / shape.p * 2 * conv.groups);
  EXPECT_EQ(stats.cycles, stats.steps);
}

TYPED_TEST(ConvTest, BeginsAfreshAfterAbort) {
  ConvCase conv = SamePadded(12, 1, TestFixture::kShape);
  for (int after = 1; after < 200; after += 7) {
    ASSERT_NO_FATAL_FAILURE(this->bench_.RunAborted(conv, after));
    ConvStats stats;
    ASSERT_TRUE(this->bench_.Run(conv, {}, &stats)) << "after " << after << " cycles";
    EXPECT_GT(stats.steps, 100);
  }
}

// Two passes, over the same 7 rows if nothing else is said; with `stream` each has its own.
ConvCase TwoPasses(bool stream, const ArrayShape& shape, std::vector<int> pass_row = {0, 0}) {
  ConvCase conv;
  conv.height = conv.width = conv.out_width = 5;
  conv.pixels = stream ? shape.p : 25;
  conv.groups = 7;
  conv.stream = stream;
  conv.pass_row = std::move(pass_row);
  conv.pass_plane = {false, false};
  conv.weight_rows = stream ? 14 : 7;
  return conv;
}

// What the count of the buffer's rows relies on, and what the first pass cannot do. A good instruction then is at a
// program's beginning.
TYPED_TEST(ConvTest, RefusesRowsThatDoNotAgree) {
  const ArrayShape shape = TestFixture::kShape;
  const ConvCase block = TwoPasses(false, shape), stream = TwoPasses(true, shape);
  const auto as_it_is = [](ConvFields*) {};
  const std::vector<std::pair<ConvCase, std::function<void(ConvFields*)>>> cases = {
      {block, [](auto* f) { f->pass_shift = 1; }},      {block, [](auto* f) { f->pass_shift = 3; }},
      {block, [](auto* f) { f->weight_rows = 6; }},     {block, [](auto* f) { f->weight_rows = 1; }},
      {TwoPasses(false, shape, {1, 0}), as_it_is},      {TwoPasses(false, shape, {4095, 0}), as_it_is},
      {TwoPasses(false, shape, {0, 1}), as_it_is},      {TwoPasses(false, shape, {0, 3000}), as_it_is},
      {stream, [](auto* f) { f->weight_rows = 13; }},   {stream, [](auto* f) { f->weight_rows = 15; }},
      {stream, [](auto* f) { f->weight_rows = 7; }},    {stream, [](auto* f) { f->weight_rows = 1; }},
      {stream, [](auto* f) { f->weight_rows = 90; }},   {stream, [&](auto* f) { f->pixels = shape.p + 1; }},
      {stream, [](auto* f) { f->pixels = 4'000'000; }},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_NO_FATAL_FAILURE(this->bench_.RunRefused(cases[i].first, cases[i].second));
    ConvStats stats;
    ASSERT_TRUE(this->bench_.Run(i % 2 == 0 ? stream : block, {}, &stats));
    EXPECT_GT(stats.steps, 0);
  }
}

// Should an instruction leave the count of rows wrong: the next program begins with one of its own.
TYPED_TEST(ConvTest, CountsRowsAnewInEachProgram) {
  const ConvCase stream = TwoPasses(true, TestFixture::kShape);
  ASSERT_NO_FATAL_FAILURE(this->bench_.RunRefused(
      stream, [](auto* f) { f->weight_rows = 80; }, true));
  ConvStats stats;
  ASSERT_TRUE(this->bench_.Run(SamePadded(6, 1, TestFixture::kShape), {.rows = 50}, &stats));
  EXPECT_GT(stats.steps, 20);
}

// As many rows as a tile may have but seven; the count of all goes beyond 2^15 and 2^16 on the way.
TYPED_TEST(ConvTest, StreamsTheLongestTiles) {
  ConvCase conv;
  conv.groups = 4095;
  conv.tiles = 3;
  conv.stream = true;
  conv.pass_row.assign(8, 0);
  conv.pass_plane.assign(8, false);
  conv.weight_rows = 8 * 4095;
  conv.last_groups = 1;
  for (const int rows : {100, 90}) {
    ConvStats stats;
    ASSERT_TRUE(this->bench_.Run(conv, {.rows = rows}, &stats));
    EXPECT_EQ(stats.steps, 3 * conv.weight_rows);
  }
}

}  // namespace
}  // namespace msq::hw
