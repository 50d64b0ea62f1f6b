// One lane of the requantizer against model/numerics: corners, random constants, residuals, leaky pairs, raw values.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "Vmsq_requant_test_dut.h"
#include "model/numerics/requantize.h"

namespace msq::hw {
namespace {

using numerics::kAccumulatorLimit;
using numerics::kAddendLimit;
using numerics::kMultiplierLimit;

struct Job {
  int64_t acc = 0;
  uint32_t multiplier = 1;
  int64_t addend = 0;
  int shift = 0;
  uint32_t skip_multiplier = 0;
  int skip = 0;
  bool skip8 = false;
  bool leaky = false;
  int64_t threshold = 0;
  uint32_t negative_multiplier = 0;
  int64_t negative_addend = 0;
  int64_t correction = 0;  // C
};

uint64_t Low(int64_t value, int bits) {
  return static_cast<uint64_t>(value) & ((uint64_t{1} << bits) - 1);
}

// Feeds jobs back to back, as the drain does, and compares what leaves the lane a fixed time later.
class Lane {
 public:
  explicit Lane(bool wide) : wide_(wide) {
    dut_.wide_i = wide;
    dut_.sum_en_i = 1;
    for (int i = 0; i < 12; ++i) Clock();
  }

  void Run(const Job& job) {
    const bool two = job.skip8 || job.leaky;
    skip_now_ = two && job.skip8 ? job.skip >> 4 : job.skip & 15;
    Step(job, false, job.skip8 ? 1 : 0, !two);
    if (!two) return;
    skip_now_ = job.skip8 ? job.skip & 15 : 0;
    Step(job, true, job.skip8 ? 2 : 0, true);
  }

  void Flush() {
    for (int i = 0; i < 12; ++i) Idle();
    EXPECT_TRUE(expected_.empty());
    EXPECT_GT(raw_checked_, checked_ / 20);
  }

  int checked() const { return checked_; }

 private:
  struct Cycle {
    bool load = false;
    bool below = false;
    uint64_t low = 0;
    uint64_t high = 0;
    uint32_t sum = 0;
    int add = 0;
    int skip = 0;
    bool result = false;
  };

  void Step(const Job& job, bool second, int add, bool result) {
    Cycle cycle;
    cycle.below = second && job.leaky;
    cycle.load = !cycle.below;
    cycle.sum = static_cast<uint32_t>(Low(job.acc - job.correction, 24));
    cycle.low = job.multiplier | uint64_t(job.shift) << 17 | Low(job.correction, 24) << 23 |
                uint64_t{job.skip_multiplier} << 47;
    cycle.high = Low(job.addend, 47);
    if (cycle.below) {
      cycle.low = Low(job.threshold, 24) | uint64_t{job.negative_multiplier} << 24;
      cycle.high = Low(job.negative_addend, 47);
    }
    cycle.add = add;
    cycle.skip = skip_now_;
    cycle.result = result;
    if (result) expected_.push_back(job);
    Queue(cycle);
  }

  void Idle() { Queue(Cycle{}); }

  // Stage 0 of history_ is the cycle before the load: the residual is there one cycle earlier.
  void Queue(const Cycle& cycle) {
    history_.push_front(cycle);
    history_.resize(10);
    dut_.skip_i = history_[0].skip;
    const Cycle& load = history_[1];
    dut_.load_i = load.load;
    dut_.below_i = load.below;
    dut_.sum_i = load.sum;
    dut_.param_i[0] = static_cast<uint32_t>(load.low);
    dut_.param_i[1] = static_cast<uint32_t>(load.low >> 32);
    dut_.param_i[2] = static_cast<uint32_t>(load.high);
    dut_.param_i[3] = static_cast<uint32_t>(load.high >> 32);
    dut_.add_sel_i = history_[3].add;
    dut_.sum_en_i = history_[5].result;
    dut_.eval();
    if (history_[6].result) CheckRaw(expected_[history_[7].result + history_[8].result]);
    if (history_[8].result) CheckCode();
    Clock();
  }

  void CheckRaw(const Job& job) {
    if (job.leaky || job.skip != 0) return;
    const int64_t sum = job.acc * int64_t{job.multiplier} + job.addend;
    ASSERT_EQ(dut_.raw_o, static_cast<uint32_t>(sum));
    ++raw_checked_;
  }

  void CheckCode() {
    const Job job = expected_.front();
    expected_.pop_front();
    const int bits = wide_ ? 8 : 4;
    const auto acc = static_cast<int32_t>(job.acc);
    const int want =
        job.leaky ? numerics::RequantizeLeaky(acc, static_cast<int32_t>(job.threshold), job.multiplier, job.addend,
                                              job.negative_multiplier, job.negative_addend, job.shift, bits)
                  : numerics::RequantizeWithSkip(acc, job.multiplier, static_cast<uint8_t>(job.skip),
                                                 job.skip_multiplier, job.addend, job.shift, bits);
    ASSERT_EQ(dut_.y_o & ((1 << bits) - 1), want)
        << "acc " << job.acc << " M " << job.multiplier << " B " << job.addend << " S " << job.shift << " skip "
        << job.skip << " N " << job.skip_multiplier << " skip8 " << job.skip8 << " leaky " << job.leaky;
    ++checked_;
  }

  void Clock() {
    dut_.clk_i = 0;
    dut_.eval();
    dut_.clk_i = 1;
    dut_.eval();
  }

  Vmsq_requant_test_dut dut_;
  bool wide_;
  int skip_now_ = 0;
  std::deque<Cycle> history_ = std::deque<Cycle>(10);
  std::deque<Job> expected_;
  int checked_ = 0;
  int raw_checked_ = 0;
};

// Addends put the shifted sum near a wanted code: else nearly every result would be clamped.
int64_t AddendFor(const Job& job, int64_t wanted, int64_t offset) {
  const int64_t sum = job.acc * int64_t{job.multiplier} + int64_t{job.skip} * job.skip_multiplier;
  const int64_t addend = (wanted * (int64_t{1} << job.shift)) + offset - sum;
  return std::clamp(addend, -kAddendLimit + 1, kAddendLimit - 1);
}

class Generator {
 public:
  int64_t Uniform(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }

  Job Next() {
    Job job;
    const int64_t acc_limit = Uniform(0, 3) == 0 ? 300 : kAccumulatorLimit - 1;
    job.acc = Uniform(-acc_limit, acc_limit);
    job.multiplier = static_cast<uint32_t>(Uniform(1, kMultiplierLimit - 1));
    job.shift = static_cast<int>(Uniform(0, numerics::kMaxShift));
    job.correction = Uniform(-kAccumulatorLimit, kAccumulatorLimit - 1);
    const int64_t kind = Uniform(0, 3);
    if (kind == 1 || kind == 2) {
      job.skip8 = kind == 2;
      job.skip = static_cast<int>(Uniform(0, job.skip8 ? 255 : 15));
      job.skip_multiplier = static_cast<uint32_t>(Uniform(0, kMultiplierLimit - 1));
    }
    if (kind == 3) {
      job.leaky = true;
      job.threshold = std::clamp(job.acc + Uniform(-2, 2), -kAccumulatorLimit, kAccumulatorLimit - 1);
      if (Uniform(0, 3) == 0) job.threshold = Uniform(-kAccumulatorLimit, kAccumulatorLimit - 1);
      job.negative_multiplier = static_cast<uint32_t>(Uniform(0, kMultiplierLimit - 1));
    }
    job.addend = AddendFor(job, Uniform(-3, 260), Uniform(-3, 3));
    Job below = job;
    below.multiplier = job.negative_multiplier;
    job.negative_addend = AddendFor(below, Uniform(-3, 260), Uniform(-3, 3));
    return job;
  }

 private:
  std::mt19937_64 engine_{20240611};
};

TEST(RequantTest, RandomConstantsGiveTheModelsCodes) {
  constexpr int kJobs = 600'000;
  for (const bool wide : {false, true}) {
    Generator generator;
    Lane lane(wide);
    for (int i = 0; i < kJobs && !testing::Test::HasFatalFailure(); ++i) lane.Run(generator.Next());
    lane.Flush();
    EXPECT_EQ(lane.checked(), kJobs);
  }
}

TEST(RequantTest, CornersGiveTheModelsCodes) {
  const std::array<int64_t, 5> accs = {-kAccumulatorLimit + 1, -1, 0, 1, kAccumulatorLimit - 1};
  const std::array<uint32_t, 3> multipliers = {1, 0x10000, 0x1ffff};
  const std::array<int64_t, 7> addends = {-kAddendLimit + 1, -(int64_t{1} << 40), -1, 0, 1,
                                          int64_t{1} << 40,  kAddendLimit - 1};
  const std::array<int, 5> skips = {0, 1, 15, 16, 255};
  for (const bool wide : {false, true}) {
    Lane lane(wide);
    int jobs = 0;
    for (int shift = 0; shift <= numerics::kMaxShift; ++shift) {
      for (const int64_t acc : accs) {
        for (const uint32_t multiplier : multipliers) {
          for (const int64_t addend : addends) {
            for (const int skip : skips) {
              lane.Run({.acc = acc,
                        .multiplier = multiplier,
                        .addend = addend,
                        .shift = shift,
                        .skip_multiplier = 0x1ffff,
                        .skip = skip,
                        .skip8 = skip > 15,
                        .correction = -acc});
              ++jobs;
            }
            for (const int64_t threshold : accs) {
              lane.Run({.acc = acc,
                        .multiplier = multiplier,
                        .addend = addend,
                        .shift = shift,
                        .leaky = true,
                        .threshold = threshold,
                        .negative_multiplier = 0x1ffff,
                        .negative_addend = -addend});
              ++jobs;
            }
          }
        }
      }
    }
    lane.Flush();
    EXPECT_EQ(lane.checked(), jobs);
  }
}

// The codes around both clamps, for every shift: sums of 16 * 2^S - 1 and the like, to the last unit.
TEST(RequantTest, ClampsAtTheExactSum) {
  for (const bool wide : {false, true}) {
    Lane lane(wide);
    int jobs = 0;
    for (int shift = 0; shift <= 37; ++shift) {
      for (int64_t code = -1; code <= 257; ++code) {
        for (const int64_t offset : {-1, 0, 1}) {
          Job job{.acc = 12345 - code, .multiplier = 777, .shift = shift, .correction = 99 * code};
          job.addend = AddendFor(job, code, offset);
          lane.Run(job);
          ++jobs;
        }
      }
    }
    lane.Flush();
    EXPECT_EQ(lane.checked(), jobs);
  }
}

}  // namespace
}  // namespace msq::hw
