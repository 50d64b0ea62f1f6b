// Drives msq_drain as array, parameters and activation memory would, with random stalls, and compares with the model.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "hw/regs/instruction.h"
#include "hw/regs/isa.h"
#include "hw/rtl/msq_drain_model.h"
#include "hw/rtl/port_bits.h"

namespace msq::hw {

// How often, in percent, each side goes on in a cycle.
struct Pace {
  int items = 100;
  int reads = 100;
  int writes = 100;
};

template <typename Dut>
class DrainBench {
 public:
  DrainBench(const DrainShape& shape, uint64_t seed) : shape_(shape), random_(seed), credits_(shape.Fifo()) {
    reads_.resize(shape.Clients());
    last_write_.resize(shape.Clients());
    last_read_.resize(shape.Clients());
    dut_.rst_ni = 0;
    for (int i = 0; i < 4; ++i) Cycle();
    dut_.rst_ni = 1;
    Cycle();
  }

  // Runs one instruction to its end and compares memory and counts. Returns the cycles from the first item to done.
  int Run(const DrainJob& job, const Pace& pace) {
    Begin(job, pace);
    const int64_t limit = 4000 + static_cast<int64_t>(items_.size()) * 400;
    int cycles = 0;
    for (int64_t i = 0; i < limit && done_ == 0; ++i) {
      Cycle();
      if (sent_ > 0) ++cycles;
    }
    EXPECT_EQ(done_, 1) << "no end";
    EXPECT_EQ(writes_, job.expected_writes) << "at done";
    for (int i = 0; i < 20; ++i) Cycle();
    EXPECT_EQ(done_, 1);
    EXPECT_EQ(writes_, job.expected_writes);
    EXPECT_EQ(drained_, job.fields.tiles);
    EXPECT_EQ(sent_, static_cast<int64_t>(items_.size()));
    EXPECT_EQ(credits_, shape_.Fifo());
    EXPECT_EQ(dut_.idle_o, 1);
    EXPECT_TRUE(memory_ == job.after) << "memory differs";
    return cycles;
  }

  // Ends the instruction after some cycles; items of steps that were issued still come out of the array.
  void Abort(const DrainJob& job, const Pace& pace, int after, int late_items) {
    Begin(job, pace);
    for (int i = 0; i < after && done_ == 0; ++i) Cycle();
    const int64_t done = done_;
    abort_ = true;
    send_limit_ = std::min<int64_t>(items_.size(), sent_ + std::min(late_items, credits_));
    int idle = 0;
    for (int i = 0; i < 2000 && idle < 30; ++i) {
      Cycle();
      idle = dut_.idle_o != 0 && sent_ == send_limit_ ? idle + 1 : 0;
      EXPECT_EQ(dut_.cmd_ready_o, 0);
    }
    EXPECT_GE(idle, 30) << "abort hangs";
    EXPECT_EQ(done_, done);
    EXPECT_EQ(credits_, shape_.Fifo());
    for (const auto& reads : reads_) EXPECT_TRUE(reads.empty());
    abort_ = false;
    Cycle();
  }

 private:
  struct Read {
    uint64_t data;
    int64_t due;
  };
  struct Request {
    uint64_t addr;
    uint64_t data;
    uint64_t mask;
    bool operator==(const Request&) const = default;
  };
  struct Params {
    int64_t due;
    int64_t tile;
    int group;
    bool leaky;
  };

  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void Begin(const DrainJob& job, const Pace& pace) {
    job_ = &job;
    pace_ = pace;
    items_ = job.Items();
    send_limit_ = static_cast<int64_t>(items_.size());
    memory_ = job.before;
    sent_ = writes_ = drained_ = done_ = 0;
    Instruction instruction;
    ASSERT_EQ(Encode(job.fields, &instruction), "");
    for (int i = 0; i < 16; ++i) SetPortBits(instruction[i], i * 64, 64, &dut_.cmd_instr_i);
    dut_.cmd_valid_i = 1;
    dut_.eval();
    ASSERT_EQ(dut_.cmd_ready_o, 1);
    Cycle();
    dut_.cmd_valid_i = 0;
    for (int i = 0; i < 16; ++i) SetPortBits(random_(), i * 64, 64, &dut_.cmd_instr_i);
  }

  void Cycle() {
    dut_.clk_i = 0;
    dut_.abort_i = abort_;
    DriveItems();
    DriveParams();
    DriveMemory();
    dut_.eval();
    Sample();
    dut_.clk_i = 1;
    dut_.eval();
    ++now_;
  }

  void DriveItems() {
    const bool send = job_ != nullptr && sent_ < send_limit_ && (credits_ > 0 || abort_) && Chance(pace_.items);
    dut_.out_valid_i = send;
    for (int q = 0; q < shape_.Q; ++q) {
      const uint64_t sum = send ? job_->Sum(items_[sent_], q) : random_() & 0xffffff;
      SetPortBits(sum, q * 24, 24, &dut_.out_data_i);
    }
    if (send) {
      ++sent_;
      --credits_;
    }
  }

  void DriveParams() {
    const bool answer = !params_.empty() && params_.front().due == now_;
    for (int q = 0; q < shape_.Q; ++q) {
      uint64_t low = random_();
      uint64_t high = random_();
      if (answer) {
        const Params& params = params_.front();
        const LaneParams& lane = job_->Lane(params.tile, params.group * shape_.Q + q);
        low = params.leaky ? lane.Row(2) : lane.Row(0);
        high = params.leaky ? lane.Row(3) : lane.Row(1);
      }
      SetPortBits(low, q * 128, 64, &dut_.param_data_i);
      SetPortBits(high, q * 128 + 64, 64, &dut_.param_data_i);
    }
    if (answer) params_.pop_front();
  }

  void DriveMemory() {
    for (int c = 0; c < shape_.Clients(); ++c) {
      const bool answer = !reads_[c].empty() && reads_[c].front().due == now_;
      SetPortBits(answer, c, 1, &dut_.sr_rvalid_i);
      SetPortBits(answer ? reads_[c].front().data : random_(), c * 64, 64, &dut_.sr_rdata_i);
      if (answer) reads_[c].pop_front();
      SetPortBits(Chance(pace_.reads), c, 1, &dut_.sr_ready_i);
      SetPortBits(Chance(pace_.writes), c, 1, &dut_.dw_ready_i);
    }
  }

  void Sample() {
    if (dut_.rst_ni == 0) return;
    if (dut_.credit_o) ++credits_;
    if (dut_.done_o) ++done_;
    if (dut_.param_req_o) params_.push_back({now_ + 2, drained_, dut_.param_group_o, dut_.param_leaky_o != 0});
    if (dut_.tile_drained_o) ++drained_;
    for (int c = 0; c < shape_.Clients(); ++c) {
      SampleRead(c);
      SampleWrite(c);
    }
  }

  void SampleRead(int c) {
    const bool valid = PortBits(dut_.sr_valid_o, c, 1) != 0;
    const bool ready = PortBits(dut_.sr_ready_i, c, 1) != 0;
    const Request request = {PortBits(dut_.sr_addr_o, c * 24, 24), 0, 0};
    if (last_read_[c]) {
      EXPECT_TRUE(valid && request == *last_read_[c]) << "read not stable";
    }
    last_read_[c].reset();
    if (!valid) return;
    if (!ready) {
      last_read_[c] = request;
      return;
    }
    reads_[c].push_back({memory_.at(shape_.Word(request.addr)), now_ + 3});
  }

  void SampleWrite(int c) {
    const bool valid = PortBits(dut_.dw_valid_o, c, 1) != 0;
    const bool ready = PortBits(dut_.dw_ready_i, c, 1) != 0;
    const Request request = {PortBits(dut_.dw_addr_o, c * 24, 24), PortBits(dut_.dw_data_o, c * 64, 64),
                             PortBits(dut_.dw_mask_o, c * 2, 2)};
    if (last_write_[c]) {
      EXPECT_TRUE(valid && request == *last_write_[c]) << "write not stable";
    }
    last_write_[c].reset();
    if (!valid) return;
    if (!ready) {
      last_write_[c] = request;
      return;
    }
    EXPECT_NE(request.mask, 0u);
    const uint64_t mask = (request.mask & 1 ? 0xffffffffu : 0) | (request.mask & 2 ? uint64_t{0xffffffff} << 32 : 0);
    uint64_t& word = memory_.at(shape_.Word(request.addr));
    word = (word & ~mask) | (request.data & mask);
    ++writes_;
  }

  Dut dut_;
  DrainShape shape_;
  std::mt19937_64 random_;
  const DrainJob* job_ = nullptr;
  Pace pace_;
  std::vector<DrainItem> items_;
  std::vector<uint64_t> memory_;
  std::deque<Params> params_;
  std::vector<std::deque<Read>> reads_;
  std::vector<std::optional<Request>> last_write_, last_read_;
  int credits_;
  bool abort_ = false;
  int64_t now_ = 0, sent_ = 0, send_limit_ = 0, writes_ = 0, drained_ = 0, done_ = 0;
};

}  // namespace msq::hw
