// msq_drain in several shapes against its model: random instructions under random stalls, throughput, abort.
#include <gtest/gtest.h>

#include <random>

#include "Vmsq_drain_p2_q32_dut.h"
#include "Vmsq_drain_paper_z020_dut.h"
#include "Vmsq_drain_paper_z045_dut.h"
#include "Vmsq_drain_tiny_dut.h"
#include "Vmsq_drain_z020_dut.h"
#include "Vmsq_drain_z045_dut.h"
#include "hw/rtl/msq_drain_bench.h"
#include "hw/rtl/testing/every_configuration.h"

namespace msq::hw {
namespace {

template <typename Model, int P, int O, int Q, int kBanks>
struct Shape {
  using Dut = Model;
  static constexpr DrainShape kShape = {P, O, Q, kBanks};
};

template <typename S>
class DrainTest : public testing::Test {};

using Shapes =
    testing::Types<Shape<Vmsq_drain_tiny_dut, 2, 16, 16, 3>, Shape<Vmsq_drain_z020_dut, 4, 32, 16, 5>,
                   Shape<Vmsq_drain_z045_dut, 8, 64, 32, 11>, Shape<Vmsq_drain_paper_z020_dut, 1, 40, 8, 2>,
                   Shape<Vmsq_drain_paper_z045_dut, 4, 48, 16, 5>, Shape<Vmsq_drain_p2_q32_dut, 2, 64, 32, 3>>;
TYPED_TEST_SUITE(DrainTest, Shapes);
static_assert(CoverEveryConfiguration(Shapes(), [](auto shape, const Configuration& configuration) {
  constexpr DrainShape kShape = shape.kShape;
  return kShape.P == configuration.p && kShape.O == configuration.lanes() && kShape.Q == configuration.q &&
         kShape.banks == configuration.banks;
}));

class Choice {
 public:
  explicit Choice(uint64_t seed) : random_(seed) {}
  int operator()(int low, int high) { return low + static_cast<int>(random_() % (high - low + 1)); }

  DrainKind Kind() {
    DrainKind kind;
    kind.passes = (*this)(0, 1) == 0 ? 1 : (*this)(2, 8);
    kind.tiles = (*this)(1, 4);
    kind.pixels = (*this)(0, 4) == 0 ? 1 : (*this)(1, 19);
    switch ((*this)(0, 4)) {
      case 0:
        kind.raw = true;
        return kind;
      case 1:
        kind.leaky = true;
        break;
      case 2:
        kind.skip = true;
        break;
      case 3:
        kind.skip = kind.skip8 = true;
        break;
      default:
        break;
    }
    kind.out8 = (*this)(0, 1) == 0;
    return kind;
  }

  Pace Paces() {
    const int paces[] = {100, 100, 70, 30};
    return {paces[(*this)(0, 3)], paces[(*this)(0, 3)], paces[(*this)(0, 3)]};
  }

 private:
  std::mt19937_64 random_;
};

TYPED_TEST(DrainTest, RandomInstructionsLeaveTheModelsMemory) {
  DrainBench<typename TypeParam::Dut> bench(TypeParam::kShape, 7);
  Choice choice(8);
  int kinds[8] = {};
  int64_t writes = 0;
  for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
    const DrainKind kind = choice.Kind();
    const DrainJob job(TypeParam::kShape, kind, 1000 + i);
    SCOPED_TRACE(testing::Message() << "instruction " << i << " passes " << kind.passes << " raw " << kind.raw
                                    << " leaky " << kind.leaky << " skip " << kind.skip << kind.skip8 << " out8 "
                                    << kind.out8 << " tiles " << kind.tiles << " pixels " << kind.pixels);
    bench.Run(job, choice.Paces());
    ++kinds[kind.raw ? 0 : (kind.leaky ? 1 : kind.skip8 ? 2 : kind.skip ? 3 : 4)];
    writes += job.expected_writes;
  }
  for (int i = 0; i < 5; ++i) EXPECT_GT(kinds[i], 10);
  EXPECT_GT(writes, 5000);
}

// The last pass of an item takes one cycle, or as many as the outputs or the residual need.
TYPED_TEST(DrainTest, KeepsUpWithTheArray) {
  constexpr DrainShape kShape = TypeParam::kShape;
  DrainBench<typename TypeParam::Dut> bench(kShape, 9);
  const auto cycles = [&](DrainKind kind) {
    kind.tiles = 2;
    kind.pixels = 16 * kShape.P;
    kind.last_groups = kShape.Groups();
    return bench.Run(DrainJob(kShape, kind, 77), Pace());
  };
  constexpr int kItems = 2 * 16 * kShape.P * kShape.Groups();
  constexpr int kLatency = 24;  // from the first item to its codes, and until done
  EXPECT_LE(cycles({}), kItems + kLatency);
  EXPECT_GE(cycles({}), kItems);
  EXPECT_LE(cycles({.skip = true}), kItems + kLatency);
  EXPECT_LE(cycles({.passes = 3}), 3 * kItems + kLatency);
  EXPECT_LE(cycles({.skip = true, .skip8 = true, .out8 = true}), 2 * kItems + kLatency);
  EXPECT_LE(cycles({.out8 = true}), 2 * kItems + kLatency);
  EXPECT_LE(cycles({.leaky = true}), 2 * kItems + kLatency);
  EXPECT_LE(cycles({.raw = true}), (kShape.Q == 8 ? 6 : 9) * kItems + kLatency);
}

TYPED_TEST(DrainTest, AbortEndsAnInstructionAndTheNextOneIsWhole) {
  DrainBench<typename TypeParam::Dut> bench(TypeParam::kShape, 10);
  Choice choice(11);
  for (int i = 0; i < 60 && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "instruction " << i);
    bench.Abort(DrainJob(TypeParam::kShape, choice.Kind(), 2000 + i), choice.Paces(), choice(0, 120), choice(0, 9));
    bench.Run(DrainJob(TypeParam::kShape, choice.Kind(), 3000 + i), choice.Paces());
  }
}

}  // namespace
}  // namespace msq::hw
