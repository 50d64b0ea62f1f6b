// Drives msq_conv: the memory's port A, the weight buffer, the drain's credits; compares what reaches the array.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "hw/rtl/msq_conv_model.h"
#include "hw/rtl/port_bits.h"

namespace msq::hw {

template <typename Build>
class ConvBench {
 public:
  static constexpr ArrayShape kShape = Build::kShape;
  static constexpr int kBufferRows = 96;
  static constexpr int kCredits = 4 * kShape.p * kShape.o / kShape.q;
  static constexpr int kRowsBeyond = 40;  // rows that come after an instruction's own

  ConvBench() {
    dut_.rst_ni = 0;
    Clock();
    Clock();
    dut_.rst_ni = 1;
  }

  // Runs one instruction to its end and checks every step. False when the test has failed.
  bool Run(const ConvCase& conv, ConvPace pace, ConvStats* stats) {
    Begin(conv, pace);
    for (int64_t idle = 0; next_ < trace_.steps.size() || occupied_ > 0; ++idle) {
      const size_t before = next_;
      Cycle();
      if (next_ != before) idle = 0;
      if (idle > 5000) ADD_FAILURE() << "no step for 5000 cycles, after " << next_;
      if (::testing::Test::HasFailure()) return false;
    }
    for (int i = Random(12); i > 0; --i) Cycle();
    EXPECT_FALSE(dut_.idle_o || dut_.cmd_ready_o) << "ready before the drain has finished";
    dut_.drain_done_i = 1;
    Cycle();
    dut_.drain_done_i = 0;
    Cycle();
    EXPECT_TRUE(dut_.idle_o && dut_.cmd_ready_o);
    EXPECT_EQ(head_, row_base_ + trace_.weight_rows);
    EXPECT_EQ(stats_.steps, static_cast<int64_t>(trace_.steps.size()));
    EXPECT_EQ(stats_.stall_bank, trace_.sub_cycles);
    row_base_ = head_;
    *stats = stats_;
    return !::testing::Test::HasFailure();
  }

  // An instruction that is illegal, or becomes so by `change`, which leaves the steps before that shows as they were.
  // Exactly weight_rows rows come. After the error the instruction is aborted, or, with `to_its_end`, goes on until no
  // more steps come and a new program begins.
  void RunRefused(const ConvCase& conv, const std::function<void(ConvFields*)>& change, bool to_its_end = false) {
    ConvFields fields = FieldsOf(conv, kShape);
    change(&fields);
    Begin(conv, {});
    Offer(fields);
    trace_.weight_rows = fields.weight_rows;
    rows_beyond_ = 0;
    for (int i = 0; i < 1000 && dut_.error_o == 0; ++i) Cycle();
    EXPECT_NE(dut_.error_o, 0) << "after " << stats_.steps << " steps";
    if (!to_its_end) return Abort();
    for (int i = 0; i < 200; ++i) Cycle();
    dut_.drain_done_i = 1;
    Cycle();
    dut_.drain_done_i = 0;
    dut_.clear_i = 1;
    ForgetRows();
    Cycle();
    dut_.clear_i = 0;
  }

  // Begins an instruction and aborts it; what surrounds it forgets everything, too.
  void RunAborted(const ConvCase& conv, int after) {
    Begin(conv, {});
    for (int i = 0; i < after; ++i) Cycle();
    Abort();
  }

 private:
  struct Read {
    int64_t row;
    int release_rows;
  };

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  void Abort() {
    started_ = true;
    dut_.abort_i = 1;
    checking_ = false;
    for (int i = 0; i < 1000 && (i < 3 || dut_.idle_o == 0); ++i) Cycle();
    EXPECT_TRUE(dut_.idle_o);
    EXPECT_EQ(occupied_, 0) << "idle before the drain's items are gone";
    dut_.abort_i = 0;
    ForgetRows();
    checking_ = true;
  }
  void ForgetRows() {
    row_base_ = head_ = written_ = trace_.weight_rows = 0;
    reads_ = {};
  }

  void Begin(const ConvCase& conv, ConvPace pace) {
    pace_ = pace;
    words_ = conv.words();
    trace_ = TraceOf(conv, kShape, row_base_);
    next_ = 0;
    stats_ = {};
    started_ = false;
    rows_beyond_ = kRowsBeyond;
    Offer(FieldsOf(conv, kShape));
  }

  void Offer(const ConvFields& fields) {
    Instruction instruction;
    const std::string_view misfit = Encode(fields, &instruction);
    EXPECT_EQ(misfit, "");
    for (int i = 0; i < 16; ++i) SetPortBits(instruction[i], 64 * i, 64, &dut_.cmd_instr_i);
  }

  void Clock() {
    dut_.clk_i = 1;
    dut_.eval();
    dut_.clk_i = 0;
    dut_.eval();
  }

  // Inputs of a cycle, its outputs, its end.
  void Cycle() {
    const int64_t row_end = row_base_ + trace_.weight_rows + rows_beyond_;
    while (written_ < std::min(head_ + kBufferRows, row_end) && Random(100) < pace_.rows) {
      ++written_;
      if (pace_.rows < 100) break;
    }
    dut_.cmd_valid_i = !started_;
    dut_.rows_avail_i = static_cast<uint16_t>(written_ - head_);
    dut_.drain_credit_i = occupied_ > 0 && Random(100) < pace_.credits;
    occupied_ -= dut_.drain_credit_i;
    for (int b = 0; b < kShape.banks; ++b) SetPortBits(data_[cycle_ % 3][b], 64 * b, 64, &dut_.a_data_i);
    dut_.eval();
    ReadMemory();
    if (checking_) {
      ReadWeights();
      CheckStep();
      Count();
    } else {
      EXPECT_FALSE(dut_.rd_en_o || dut_.release_o) << "the weight buffer has forgotten its rows";
      if (dut_.vld_o != 0 && dut_.last_o != 0) occupied_ += dut_.last_px_o * dut_.last_grp_o;
      ++gap_;
    }
    if (dut_.drain_start_o != 0) started_ = true;
    Clock();
    ++cycle_;
  }

  // Words come in two cycles; banks that read nothing show anything.
  void ReadMemory() {
    for (int b = 0; b < kShape.banks; ++b) {
      uint64_t& word = data_[(cycle_ + 2) % 3][b];
      word = random_();
      if (PortBits(dut_.a_en_o, b, 1) == 0) continue;
      int64_t row = static_cast<int64_t>(PortBits(dut_.a_row_o, 20 * b, 20));
      if (row >= 1 << 19) row -= 1 << 20;
      const int64_t number = row * kShape.banks + b;
      if (checking_) {
        EXPECT_TRUE(number >= 0 && number < words_) << "word " << number << " of " << words_;
      }
      word = ActivationWord(number);
    }
  }

  void ReadWeights() {
    std::optional<Read>& read = reads_[(cycle_ + 2) % 3];
    read.reset();
    if (dut_.rd_en_o != 0) {
      read = Read{.row = head_ + dut_.rd_row_o, .release_rows = dut_.release_o ? dut_.release_rows_o : 0};
      EXPECT_LT(read->row, written_) << "read before it was written, step " << next_;
    } else {
      EXPECT_EQ(dut_.release_o, 0);
    }
    if (dut_.release_o != 0) head_ += dut_.release_rows_o;
    EXPECT_LE(head_, written_);
  }

  void CheckStep() {
    ++gap_;
    const std::optional<Read>& read = reads_[cycle_ % 3];
    ASSERT_EQ(dut_.vld_o != 0, read.has_value()) << "weights and activations do not meet, step " << next_;
    if (dut_.vld_o == 0) return;
    ASSERT_LT(next_, trace_.steps.size());
    const ConvStep& step = trace_.steps[next_];
    EXPECT_EQ(read->row, step.row) << "step " << next_;
    EXPECT_EQ(read->release_rows, step.release_rows) << "step " << next_;
    EXPECT_EQ(dut_.first_o != 0, step.first) << "step " << next_;
    EXPECT_EQ(dut_.last_o != 0, step.last) << "step " << next_;
    for (size_t p = 0; p < step.words.size(); ++p) {
      ASSERT_EQ(PortBits(dut_.act_o, 64 * static_cast<int>(p), 64), step.words[p])
          << "step " << next_ << ", pixel " << p;
    }
    if (step.last) {
      EXPECT_EQ(dut_.last_px_o, step.px);
      EXPECT_EQ(dut_.last_grp_o, step.grp);
      EXPECT_GE(gap_, earlier_items_) << "the array still reads out, step " << next_;
      earlier_items_ = step.px * step.grp;
      gap_ = 0;
      occupied_ += earlier_items_;
      EXPECT_LE(occupied_, kCredits) << "more than the drain has room for, step " << next_;
    }
    ++next_;
  }

  void Count() {
    stats_.cycles += stats_.steps > 0 && stats_.steps < static_cast<int64_t>(trace_.steps.size()) ? 1 : 0;
    stats_.steps += dut_.step_o;
    if (stats_.steps == 1 && stats_.cycles == 0) stats_.cycles = 1;
    stats_.stall_weights += dut_.stall_weights_o;
    stats_.stall_drain += dut_.stall_drain_o;
    stats_.stall_bank += dut_.stall_bank_o;
  }

  typename Build::Dut dut_;
  std::mt19937_64 random_{5};
  ConvPace pace_;
  ConvTrace trace_;
  ConvStats stats_;
  size_t next_ = 0;
  bool checking_ = true, started_ = true;
  int rows_beyond_ = kRowsBeyond;
  int64_t cycle_ = 0, words_ = 0;
  int64_t row_base_ = 0, head_ = 0, written_ = 0;       // weight rows since the beginning
  int64_t occupied_ = 0, gap_ = 0, earlier_items_ = 0;  // the drain's items; cycles since a pass ended
  std::array<std::array<uint64_t, 16>, 3> data_ = {};   // by cycle modulo 3
  std::array<std::optional<Read>, 3> reads_;
};

}  // namespace msq::hw
