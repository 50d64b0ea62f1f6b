// The cascade of four DSP blocks: every product of two lanes and two pixels at every place, and sums of four at the
// fields' limits, one step a cycle.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <random>

#include "Vmsq_dsp4_chain_test_dut.h"

namespace msq::hw {
namespace {

constexpr int kLatency = 6;

struct Operand {
  int act[2];     // of pixel 0, 1
  int weight[2];  // of lane 0, 1
};
using Step = std::array<Operand, 4>;

class Dsp4ChainTest : public testing::Test {
 protected:
  // Gives operand k of each step k cycles after operand 0 and compares the fields that come out in this cycle.
  void Push(const Step& step) {
    steps_.push_front(step);
    dut_.weight_i = 0;
    dut_.act_i = 0;
    for (size_t k = 0; k < 4 && k < steps_.size(); ++k) {
      const Operand& operand = steps_[k][k];
      const int low = operand.weight[0], high = operand.weight[1] - (low < 0 ? 1 : 0);
      dut_.act_i |= static_cast<uint32_t>(operand.act[1] << 4 | operand.act[0]) << 8 * k;
      dut_.weight_i |= static_cast<uint64_t>((high & 31) << 5 | (low & 31)) << 10 * k;
    }
    dut_.clk_i = 0;
    dut_.eval();
    if (steps_.size() > kLatency) {
      for (int field = 0; field < 4; ++field) {
        int sum = 512;
        for (const Operand& operand : steps_.back()) sum += operand.weight[field / 2] * operand.act[field % 2];
        ASSERT_EQ(static_cast<int>(dut_.fields_o >> 10 * field & 1023), sum) << "field " << field;
      }
      steps_.pop_back();
      ++checked_;
    }
    dut_.clk_i = 1;
    dut_.eval();
  }
  int64_t Finish() {
    for (int i = 0; i < kLatency; ++i) Push({});
    return checked_;
  }

  Vmsq_dsp4_chain_test_dut dut_;
  std::deque<Step> steps_;
  int64_t checked_ = 0;
};

TEST_F(Dsp4ChainTest, SeparatesEveryProduct) {
  int64_t steps = 0;
  for (int acts = 0; acts < 256; ++acts) {
    for (int w0 = -8; w0 <= 8; ++w0) {
      for (int w1 = -8; w1 <= 8; ++w1) {
        Step step = {};
        step[static_cast<size_t>(steps++ % 4)] = {{acts & 15, acts >> 4}, {w0, w1}};
        Push(step);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_EQ(Finish(), 16 * 16 * 17 * 17);
}

TEST_F(Dsp4ChainTest, SeparatesSumsAtTheLimits) {
  for (int corner = 0; corner < 1 << 16; ++corner) {
    Step step;
    for (size_t k = 0; k < 4; ++k) {
      const int bits = corner >> 4 * k;
      step[k] = {{bits & 1 ? 15 : 0, bits & 2 ? 15 : 0}, {bits & 4 ? 8 : -8, bits & 8 ? 8 : -8}};
    }
    Push(step);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(Finish(), 1 << 16);
}

TEST_F(Dsp4ChainTest, SeparatesRandomSums) {
  std::mt19937 random(11);
  const auto act = [&] { return static_cast<int>(random() % 16); };
  const auto weight = [&] { return static_cast<int>(random() % 17) - 8; };
  for (int i = 0; i < 100000; ++i) {
    Step step;
    for (Operand& operand : step) operand = {{act(), act()}, {weight(), weight()}};
    Push(step);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(Finish(), 100000);
}

}  // namespace
}  // namespace msq::hw
