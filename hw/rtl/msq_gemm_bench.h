// Drives msq_gemm with passes of steps and compares every read-out with sums computed here from the number sets of
// model/numerics. One for all array shapes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "hw/regs/lanes.h"
#include "hw/rtl/wide_port.h"
#include "model/numerics/scheme.h"

namespace msq::hw {

struct GemmShape {
  int pixels, dsp_lanes, lut_lanes, drained;
  int Lanes() const { return dsp_lanes + lut_lanes; }
  int Groups() const { return Lanes() / drained; }
};

// What the operands of a pass are drawn from.
enum class Operands { kRandom, kLargest, kSmallest, kCorners };

// One pass: `steps` steps with a bubble before each with probability bubble_percent; its last step comes `slack` cycles
// after the earliest that the pass before allows.
struct Pass {
  int steps;
  int last_px;
  int last_grp;
  int bubble_percent;
  int slack;
  Operands operands;
};

inline int Sp2Magnitude(int code) {
  return numerics::kSp2First[static_cast<size_t>(code >> 1 & 3)] + numerics::kSp2Second[static_cast<size_t>(code & 1)];
}

template <class Dut>
class GemmBench {
 public:
  GemmBench(GemmShape shape, uint32_t seed)
      : shape_(shape), random_(seed), dut_(std::make_unique<Dut>()), sums_(NewSums()) {
    dut_->rst_ni = 0;
    for (int i = 0; i < kLatency + 2; ++i) {
      Randomize(Operands::kRandom);
      Tick();
    }
    dut_->rst_ni = 1;
  }

  void Run(const Pass& pass) {
    for (int step = 0; step < pass.steps; ++step) {
      while (static_cast<int>(random_() % 100) < pass.bubble_percent) Bubble();
      const bool last = step == pass.steps - 1;
      while (last && cycle_ < earliest_last_ + pass.slack) Bubble();
      Randomize(pass.operands);
      dut_->vld_i = 1;
      dut_->first_i = step == 0;
      dut_->last_i = last;
      dut_->last_px_i = static_cast<uint8_t>(last ? pass.last_px : static_cast<int>(random_() % 16));
      dut_->last_grp_i = static_cast<uint8_t>(last ? pass.last_grp : static_cast<int>(random_() % 32));
      Accumulate(step == 0);
      if (last) {
        Expect(pass);
        earliest_last_ = cycle_ + pass.last_px * pass.last_grp;
      }
      Tick();
    }
  }

  // Waits until everything has come out; returns how many 24-bit sums have been compared.
  int64_t Finish() {
    for (int i = 0; i < kLatency + shape_.pixels * shape_.Groups() + 2; ++i) Bubble();
    EXPECT_TRUE(expected_.empty());
    return checked_;
  }

 private:
  static constexpr int kLatency = 10;
  static constexpr int kWeightDelay = 3;

  struct Item {
    int64_t cycle;
    std::vector<uint32_t> sums;
  };
  using Sums = std::vector<std::vector<uint32_t>>;  // [pixel][position]

  Sums NewSums() const {
    return Sums(static_cast<size_t>(shape_.pixels), std::vector<uint32_t>(static_cast<size_t>(shape_.Lanes())));
  }

  int Activation(Operands operands) {
    if (operands == Operands::kRandom) return static_cast<int>(random_() % 16);
    if (operands == Operands::kCorners) return random_() % 2 ? 15 : 0;
    return 15;
  }

  // A weight of a DSP lane: all that an SP2 or a two's complement nibble can be.
  int DspWeight(Operands operands) {
    switch (operands) {
      case Operands::kRandom:
        return static_cast<int>(random_() % 17) - 8;
      case Operands::kLargest:
        return 8;
      case Operands::kSmallest:
        return -8;
      case Operands::kCorners:
        break;
    }
    return random_() % 2 ? 8 : -8;
  }

  int LutCode(Operands operands) {
    switch (operands) {
      case Operands::kRandom:
        return static_cast<int>(random_() % 16);
      case Operands::kLargest:
        return *numerics::EncodeWeight(numerics::Scheme::kSp2, 8);
      case Operands::kSmallest:
        return 8;  // minus zero: the largest that the engine adds
      case Operands::kCorners:
        break;
    }
    return random_() % 2 ? 7 : 15;
  }

  void Randomize(Operands operands) {
    for (int p = 0; p < shape_.pixels; ++p) {
      for (int n = 0; n < 16; ++n) {
        act_[p][n] = Activation(operands);
        SetBits(dut_->act_i, (p * 16 + n) * 4, 4, static_cast<uint32_t>(act_[p][n]));
      }
    }
    for (int l = 0; l < shape_.dsp_lanes; ++l) {
      for (int n = 0; n < 16; ++n) dsp_[l][n] = DspWeight(operands);
    }
    for (int i = 0; i < shape_.dsp_lanes / 2; ++i) {
      for (int n = 0; n < 16; ++n) {
        const int low = dsp_[2 * i][n];
        const int high = dsp_[2 * i + 1][n] - (low < 0 ? 1 : 0);
        SetBits(dut_->wf_i, (i * 16 + n) * 10, 10, static_cast<uint32_t>((high & 31) << 5 | (low & 31)));
      }
    }
    std::vector<uint8_t> codes(static_cast<size_t>(shape_.lut_lanes) * 16);
    for (uint8_t& code : codes) code = static_cast<uint8_t>(LutCode(operands));
    lut_.push_back(std::move(codes));
    if (lut_.size() <= kWeightDelay) return;
    for (size_t i = 0; i < lut_.front().size(); ++i) SetBits(dut_->ws_i, static_cast<int>(i) * 4, 4, lut_.front()[i]);
    lut_.pop_front();
  }

  void Bubble() {
    Randomize(Operands::kRandom);
    dut_->vld_i = 0;
    dut_->first_i = random_() % 2;
    dut_->last_i = random_() % 2;
    dut_->last_px_i = random_() % 16;
    dut_->last_grp_i = random_() % 32;
    Tick();
  }

  void Accumulate(bool first) {
    if (first) sums_ = NewSums();
    const std::vector<uint8_t>& codes = lut_.back();
    for (int p = 0; p < shape_.pixels; ++p) {
      int dsp = 0, lut = 0;  // lanes of each kind before position l
      for (int l = 0; l < shape_.Lanes(); ++l) {
        const bool is_dsp = IsDspLane(shape_.dsp_lanes, shape_.lut_lanes, l);
        const int lane = is_dsp ? dsp++ : lut++;
        int sum = is_dsp ? 2048 : 0;
        for (int n = 0; n < 16; ++n) {
          if (is_dsp) {
            sum += dsp_[lane][n] * act_[p][n];
          } else {
            const int code = codes[static_cast<size_t>(lane * 16 + n)];
            sum += code & 8 ? 123 - Sp2Magnitude(code) * act_[p][n] : Sp2Magnitude(code) * act_[p][n];
          }
        }
        uint32_t& total = sums_[static_cast<size_t>(p)][static_cast<size_t>(l)];
        total = (total + static_cast<uint32_t>(sum)) & 0xffffff;
      }
    }
  }

  void Expect(const Pass& pass) {
    int64_t cycle = cycle_ + kLatency;
    for (int j = 0; j < pass.last_grp; ++j) {
      for (int p = 0; p < pass.last_px; ++p) {
        const auto from = sums_[static_cast<size_t>(p)].begin() + j * shape_.drained;
        expected_.push_back({cycle++, std::vector<uint32_t>(from, from + shape_.drained)});
      }
    }
  }

  // The first difference is reported; after it nothing is compared, so that the count of sums is wrong too.
  void Tick() {
    const bool valid = !expected_.empty() && expected_.front().cycle == cycle_;
    dut_->clk_i = 0;
    dut_->eval();
    if (!failed_) Compare(valid);
    if (valid) expected_.pop_front();
    dut_->clk_i = 1;
    dut_->eval();
    ++cycle_;
  }

  void Compare(bool valid) {
    failed_ = true;
    ASSERT_EQ(dut_->out_valid_o, valid ? 1 : 0) << "cycle " << cycle_;
    for (int q = 0; valid && q < shape_.drained; ++q) {
      ASSERT_EQ(GetBits(dut_->out_data_o, 24 * q, 24), expected_.front().sums[static_cast<size_t>(q)])
          << "cycle " << cycle_ << ", lane " << q << " of its group";
      ++checked_;
    }
    failed_ = false;
  }

  const GemmShape shape_;
  std::mt19937 random_;
  std::unique_ptr<Dut> dut_;
  int act_[8][16] = {};
  int dsp_[32][16] = {};
  std::deque<std::vector<uint8_t>> lut_;  // the newest last; ws_i is three behind
  Sums sums_;
  std::deque<Item> expected_;
  int64_t cycle_ = 0;
  int64_t earliest_last_ = 0;
  int64_t checked_ = 0;
  bool failed_ = false;
};

}  // namespace msq::hw
