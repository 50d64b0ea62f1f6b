// Engines behind one unit, with random times: who takes which instruction, completions in order, idleness, an abort.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>

#include "Vmsq_team_n1.h"
#include "Vmsq_team_n2.h"
#include "Vmsq_team_n3.h"
#include "Vmsq_team_n4.h"

namespace msq::hw {
namespace {

template <typename DutT, int kEnginesT>
struct Build {
  using Dut = DutT;
  static constexpr int kEngines = kEnginesT;
};

template <typename B>
class TeamTest : public ::testing::Test {
 protected:
  static constexpr int kEngines = B::kEngines;
  struct Engine {
    int left = 0;  // cycles; 0: idle
    int64_t completed = 0;
  };

  TeamTest() {
    dut_.engine_idle_i = (1 << kEngines) - 1;
    for (int i = 0; i < 3; ++i) Edge();
    dut_.rst_ni = 1;
  }

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  void Edge() {
    dut_.clk_i = 0;
    dut_.eval();
    dut_.clk_i = 1;
    dut_.eval();
  }

  // A cycle. Engines are ready when they are idle, and sometimes not even then.
  void Cycle(bool offer, int longest) {
    unsigned ready = 0, done = 0, idle = 0;
    for (int e = 0; e < kEngines; ++e) {
      Engine& engine = engines_[e];
      if (engine.left > 0 && --engine.left == 0) {
        done |= 1u << e;
        ++engine.completed;
      } else if (engine.left == 0 && Random(4) != 0) {
        ready |= 1u << e;
      }
      if (engine.left == 0 && (done >> e & 1) == 0) idle |= 1u << e;
    }
    dut_.engine_ready_i = ready;
    dut_.engine_done_i = done;
    dut_.engine_idle_i = idle;
    dut_.cmd_valid_i = offer;
    dut_.clk_i = 0;
    dut_.eval();
    const int next = static_cast<int>(taken_ % kEngines);
    EXPECT_EQ(dut_.engine_valid_o, offer ? 1u << next : 0u);
    EXPECT_EQ(dut_.cmd_ready_o, ready >> next & 1);
    if (offer && dut_.cmd_ready_o != 0) {
      engines_[next].left = 1 + Random(longest);
      ++taken_;
    }
    // Instruction i is complete when its engine has completed i / N of them; those before it must be so too.
    int64_t complete = reported_;
    while (engines_[complete % kEngines].completed > complete / kEngines) ++complete;
    overtaken_ += complete - reported_ > 1;
    EXPECT_EQ(dut_.done_o, complete > reported_) << "of " << complete << ", " << reported_ << " were reported";
    reported_ += dut_.done_o;
    bool left_to_report = false;
    for (int e = 0; e < kEngines; ++e) {
      const int64_t told =
          (reported_ - dut_.done_o + kEngines - 1 - e) / kEngines;  // of this engine, before this cycle
      left_to_report |= engines_[e].completed - static_cast<int>(done >> e & 1) > told;
    }
    EXPECT_EQ(dut_.idle_o, idle == (1u << kEngines) - 1 && !left_to_report);
    dut_.clk_i = 1;
    dut_.eval();
  }

  void Finish(int longest) {
    for (int i = 0; i < 40 + longest; ++i) Cycle(false, longest);
    EXPECT_EQ(reported_, taken_);
    EXPECT_TRUE(dut_.idle_o);
  }

  typename B::Dut dut_;
  std::mt19937_64 random_{3};
  std::array<Engine, kEngines> engines_;
  int64_t taken_ = 0, reported_ = 0, overtaken_ = 0;
};

using Builds =
    ::testing::Types<Build<Vmsq_team_n1, 1>, Build<Vmsq_team_n2, 2>, Build<Vmsq_team_n3, 3>, Build<Vmsq_team_n4, 4>>;
TYPED_TEST_SUITE(TeamTest, Builds);

TYPED_TEST(TeamTest, TakesInTurnAndCompletesInOrder) {
  for (int i = 0; i < 20000; ++i) this->Cycle(this->Random(3) != 0, i % 2000 < 1000 ? 40 : 3);
  this->Finish(40);
  EXPECT_GT(this->taken_, 1000);
  EXPECT_GE(this->overtaken_, TestFixture::kEngines > 1 ? 100 : 0);
}

TYPED_TEST(TeamTest, AnAbortForgetsWhatWasNotReported) {
  while (this->taken_ < 50 || (TestFixture::kEngines > 1 && this->overtaken_ < 5)) this->Cycle(true, 40);
  // What was under way is dropped without a completion.
  this->engines_ = {};
  this->dut_.cmd_valid_i = this->dut_.engine_done_i = 0;
  this->dut_.engine_idle_i = (1 << TestFixture::kEngines) - 1;
  this->dut_.abort_i = 1;
  for (int i = 0; i < 4; ++i) this->Edge();
  EXPECT_TRUE(this->dut_.idle_o);
  EXPECT_FALSE(this->dut_.done_o);
  this->dut_.abort_i = 0;
  this->dut_.clear_i = 1;
  this->Edge();
  this->dut_.clear_i = 0;
  this->taken_ = this->reported_ = 0;
  for (int i = 0; i < 1000; ++i) this->Cycle(true, 40);
  this->Finish(40);
}

}  // namespace
}  // namespace msq::hw
