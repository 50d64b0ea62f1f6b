#include "hw/sim/timing_conv.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kFirstGroup = 2;      // from the command, beside P
constexpr int64_t kRowLatency = 5;      // from a row's last beat to the step that may use it
constexpr int64_t kReleaseLatency = 5;  // from a step to the buffer
constexpr int64_t kItemLatency = 16;    // from a pass's last step to its first item at the drain
constexpr int64_t kCreditLatency = 1;
constexpr int64_t kWriteLatency = 12;  // from an item at the drain to its first word's write
constexpr int64_t kRawLatency = 8;     // the same of sums
constexpr int64_t kDrainTail = 2;      // from an instruction's last write to its end

}  // namespace

TimedConv::TimedConv(const Configuration& configuration, TimedWeights* weights, BankPorts* banks)
    : configuration_(configuration),
      weights_(*weights),
      banks_(*banks),
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
  taken_at_ = now_ + configuration_.p + kFirstGroup;
  tile_ = pass_ = step_ = sub_ = 0;
  group_ = 0;
  drained_ = false;
  tail_ = kDrainTail;
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
  WriteBack();
  if (gap_ > 0) --gap_;
  if (issuing_ && now_ > taken_at_) Issue();
  const bool written = drained_ && writes_[0].empty() && writes_[1].empty();
  if (!active_ || !written) return false;
  active_ = --tail_ > 0;
  return !active_;
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
  Items& items = items_.emplace_back();
  items.arrival = now_ + kItemLatency + (steps_of_pass_ > 1 ? 1 : 0);
  items.count = need;
  items.tile = tile_;
  items.first_pixel = static_cast<int64_t>(group_) * configuration_.p;
  items.pixels = group.pixels;
  EndPass();
}

void TimedConv::EndPass() {
  if (++pass_ < f_.passes) return;
  pass_ = 0;
  items_.back().cycles = last_item_cycles_;
  items_.back().is_last_pass = true;
  if (++group_ < groups_.size()) return TakeGroup();
  group_ = 0;
  items_.back().ends_tile = true;
  if (!f_.stream) releases_.push_back({now_ + kReleaseLatency, f_.weight_rows});
  tile_row_ += f_.weight_rows;
  tile_steps_.push_back(static_cast<int64_t>(groups_.size()) * f_.passes * steps_of_pass_);
  if (++tile_ < f_.tiles) return TakeGroup();
  items_.back().ends_instruction = true;
  issuing_ = false;
}

// The walk of a group, a pixel a cycle, begins when the one before is taken.
void TimedConv::TakeGroup() {
  taken_at_ = std::max(now_, taken_at_ + groups_[group_].pixels);
}

void TimedConv::Drain() {
  if (items_.empty() || now_ < items_.front().arrival || now_ < item_ready_) return;
  Items& items = items_.front();
  item_ready_ = now_ + items.cycles;
  credits_.push_back(item_ready_ + kCreditLatency + (items.cycles > 1 ? 1 : 0));
  if (items.is_last_pass) PushWrites();
  if (++items.done < items.count) return;
  if (items.ends_tile) weights_.DrainTile();
  drained_ = items.ends_instruction;
  items_.pop_front();
}

// Of the oldest item: groups of Q channels, of each all pixels.
void TimedConv::PushWrites() {
  const Items& items = items_.front();
  const int64_t q = configuration_.q, group = items.done / items.pixels, pixel = items.done % items.pixels;
  const auto word = [this](Address address) { return JoinAddress(address, banks_.banks()); };
  const int64_t lane = items.tile * configuration_.lanes() + group * q + (f_.out_half ? 8 : 0);
  const int64_t between_tiles = q == 8 ? 0 : word(f_.out_tile) - q / 16 * word(f_.out_group);
  const int64_t first = word(f_.out) + lane / 16 * word(f_.out_group) + items.tile * between_tiles +
                        (items.first_pixel + pixel) * word(f_.out_pixel);
  const int64_t at = now_ + (f_.raw ? kRawLatency : kWriteLatency) + (f_.leaky || f_.skip8 ? 1 : 0);
  const int64_t words = f_.raw ? std::min<int64_t>(q, 16) / 2 : f_.out8 ? 2 : 1;
  for (size_t client = 0; client < static_cast<size_t>(std::max<int64_t>(q / 16, 1)); ++client) {
    const int64_t begin = first + static_cast<int64_t>(client) * word(f_.out_group);
    for (int64_t i = 0; i < words; ++i) {
      writes_[client].push_back({at + i, begin + i * (f_.raw ? 1 : word(f_.out_plane))});
    }
  }
}

void TimedConv::WriteBack() {
  for (std::deque<Write>& writes : writes_) {
    if (!writes.empty() && writes.front().at <= now_ && banks_.Take(writes.front().word)) writes.pop_front();
  }
}

}  // namespace msq::hw
