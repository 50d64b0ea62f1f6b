#include "hw/sim/timing_conv.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kFirstStep = 3;       // from the command, beside P
constexpr int64_t kRowLatency = 5;      // from a row's last beat to the step that may use it
constexpr int64_t kReleaseLatency = 5;  // from a step to the buffer
constexpr int64_t kItemLatency = 16;    // from a pass's last step to its first item at the drain
constexpr int64_t kCreditLatency = 1;
constexpr int64_t kDrainTail = 16;  // from an instruction's last item to its end

}  // namespace

TimedConv::TimedConv(const Configuration& configuration, TimedWeights* weights)
    : configuration_(configuration),
      weights_(*weights),
      free_(int64_t{4} * configuration.p * configuration.lanes() / configuration.q),
      rows_seen_(kRowLatency) {}

void TimedConv::Start(const ConvFields& fields) {
  f_ = fields;
  pass_rows_ = {f_.pass0_row, f_.pass1_row, f_.pass2_row, f_.pass3_row,
                f_.pass4_row, f_.pass5_row, f_.pass6_row, f_.pass7_row};
  steps_of_pass_ = f_.kernel_h * f_.kernel_w * f_.channel_groups;
  last_item_cycles_ = f_.raw ? (configuration_.q == 8 ? 6 : 9) : f_.leaky || f_.skip8 || f_.out8 ? 2 : 1;
  FindGroups();
  active_ = issuing_ = true;
  ready_at_ = now_ + configuration_.p + kFirstStep;
  tile_ = pass_ = step_ = sub_ = 0;
  group_ = 0;
  end_at_ = -1;
}

void TimedConv::FindGroups() {
  groups_.clear();
  const int banks = configuration_.banks;
  const int64_t pixel_step = JoinAddress(f_.in_pixel, banks), row_step = JoinAddress(f_.in_row, banks);
  int64_t word = 0;
  std::vector<int> in_bank(static_cast<size_t>(banks));
  for (int64_t pixel = 0; pixel < f_.pixels; ++pixel) {
    if (pixel % configuration_.p == 0) {
      groups_.emplace_back();
      std::fill(in_bank.begin(), in_bank.end(), 0);
    }
    Group& group = groups_.back();
    const auto bank = static_cast<size_t>(((word % banks) + banks) % banks);
    ++group.pixels;
    group.sub_cycles = std::max(group.sub_cycles, ++in_bank[bank]);
    word += (pixel + 1) % f_.out_width == 0 ? row_step : pixel_step;
  }
}

int64_t TimedConv::NeededRow() const {
  const int64_t first = f_.stream ? pass_ * steps_of_pass_ : pass_rows_[static_cast<size_t>(pass_)];
  return tile_row_ + first + step_;
}

bool TimedConv::Cycle() {
  ++now_;
  rows_seen_.push_back(weights_.rows());
  rows_seen_.pop_front();
  while (!releases_.empty() && releases_.front().at <= now_) {
    weights_.Release(releases_.front().rows);
    releases_.pop_front();
  }
  while (!credits_.empty() && credits_.front() <= now_) {
    ++free_;
    credits_.pop_front();
  }
  Drain();
  if (gap_ > 0) --gap_;
  if (issuing_ && now_ >= ready_at_) Issue();
  if (end_at_ < 0 || now_ < end_at_) return false;
  end_at_ = -1;
  active_ = false;
  return true;
}

void TimedConv::Issue() {
  const Group& group = groups_[group_];
  if (group_ == 0 && NeededRow() >= rows_seen_.front()) {
    ++counts_.stall_weights;
    return;
  }
  const bool final_sub = sub_ + 1 == group.sub_cycles, pass_ends = step_ + 1 == steps_of_pass_;
  const int64_t need =
      group.pixels * (tile_ + 1 == f_.tiles ? f_.last_groups : configuration_.lanes() / configuration_.q);
  if (final_sub && pass_ends && (free_ < need || gap_ > 0)) {
    ++counts_.stall_drain;
    return;
  }
  if (!final_sub) {
    ++sub_;
    ++counts_.stall_bank;
    return;
  }
  sub_ = 0;
  ++counts_.steps;
  if (f_.stream) releases_.push_back({now_ + kReleaseLatency, 1});
  if (!pass_ends) {
    ++step_;
    return;
  }
  step_ = 0;
  free_ -= need;
  gap_ = need;
  items_.push_back({now_ + kItemLatency + (steps_of_pass_ > 1 ? 1 : 0), need, 1, false, false});
  EndPass();
}

void TimedConv::EndPass() {
  if (++pass_ < f_.passes) return;
  pass_ = 0;
  items_.back().cycles = last_item_cycles_;
  if (++group_ < groups_.size()) return;
  group_ = 0;
  items_.back().ends_tile = true;
  if (!f_.stream) releases_.push_back({now_ + kReleaseLatency, f_.weight_rows});
  tile_row_ += f_.weight_rows;
  tile_steps_.push_back(static_cast<int64_t>(groups_.size()) * f_.passes * steps_of_pass_);
  if (++tile_ < f_.tiles) return;
  items_.back().ends_instruction = true;
  issuing_ = false;
}

void TimedConv::Drain() {
  if (items_.empty() || now_ < items_.front().arrival || now_ < item_ready_) return;
  Items& items = items_.front();
  item_ready_ = now_ + items.cycles;
  credits_.push_back(item_ready_ + kCreditLatency + (items.cycles > 1 ? 1 : 0));
  if (--items.count > 0) return;
  if (items.ends_tile) weights_.DrainTile();
  if (items.ends_instruction) end_at_ = item_ready_ + kDrainTail;
  items_.pop_front();
}

}  // namespace msq::hw
