#include "hw/sim/timing_conv.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kFirstGroup = 2;      // from the command, beside P
constexpr int64_t kRowLatency = 5;      // from a row's last beat to the step that may use it
constexpr int64_t kReleaseLatency = 5;  // from a step to the buffer

}  // namespace

TimedConv::TimedConv(const Configuration& configuration, TimedWeights* weights, BankPorts* banks)
    : configuration_(configuration),
      weights_(*weights),
      drain_(configuration, weights, banks),
      rows_seen_(kRowLatency) {}

void TimedConv::Start(const ConvFields& fields) {
  f_ = fields;
  pass_rows_ = {f_.pass0_row, f_.pass1_row, f_.pass2_row, f_.pass3_row,
                f_.pass4_row, f_.pass5_row, f_.pass6_row, f_.pass7_row};
  steps_of_pass_ = f_.kernel_h * f_.kernel_w * f_.channel_groups;
  FindGroups();
  active_ = issuing_ = true;
  taken_at_ = now_ + configuration_.p + kFirstGroup;
  tile_ = pass_ = step_ = sub_ = 0;
  group_ = 0;
  drain_.Start(fields);
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
  const bool ended = drain_.Cycle();
  if (gap_ > 0) --gap_;
  if (issuing_ && now_ > taken_at_) Issue();
  if (ended) active_ = false;
  return ended;
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
  if (final_sub && pass_ends && (drain_.room() < need || gap_ > 0)) {
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
  gap_ = need;
  TimedDrain::Pass pass{.items = need,
                        .tile = tile_,
                        .first_pixel = static_cast<int64_t>(group_) * configuration_.p,
                        .pixels = group.pixels};
  EndPass(&pass);
  drain_.Add(pass);
}

// Goes on to the next pass, group, tile.
void TimedConv::EndPass(TimedDrain::Pass* pass) {
  if (++pass_ < f_.passes) return;
  pass_ = 0;
  pass->is_last = true;
  if (++group_ < groups_.size()) return TakeGroup();
  group_ = 0;
  pass->ends_tile = true;
  if (!f_.stream) releases_.push_back({now_ + kReleaseLatency, f_.weight_rows});
  tile_row_ += f_.weight_rows;
  tile_steps_.push_back(static_cast<int64_t>(groups_.size()) * f_.passes * steps_of_pass_);
  if (++tile_ < f_.tiles) return TakeGroup();
  pass->ends_instruction = true;
  issuing_ = false;
}

// The walk of a group, a pixel a cycle, begins when the one before is taken.
void TimedConv::TakeGroup() {
  taken_at_ = std::max(now_, taken_at_ + groups_[group_].pixels);
}

}  // namespace msq::hw
