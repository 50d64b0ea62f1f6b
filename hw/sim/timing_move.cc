#include "hw/sim/timing_move.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kBufferWords = 64;
constexpr int64_t kFirstBurst = 6;  // from a command to its first burst
constexpr int64_t kLoadTail = 5;    // from the last word's write to the end
constexpr int64_t kFirstRead = 7;   // of STORE, with the cycle that a word takes longer than is modelled
constexpr int64_t kStoreTail = 3;
constexpr int64_t kVecBegin = 6;      // from a command to the first read
constexpr int64_t kVecLatency = 8;    // from an output's last read to its write
constexpr int64_t kVecTail = 2;       // from the last write to the end
constexpr int64_t kVecUnderWay = 32;  // output words

}  // namespace

std::optional<Burst> BurstWalk::Peek() const {
  if (rows_ == 0) return std::nullopt;
  const auto address = static_cast<uint64_t>(row_ + 8 * word_);
  const auto to_boundary = static_cast<int64_t>((kBurstBytes - address % kBurstBytes) / 8);
  return Burst{address, static_cast<int>(std::min(to_boundary, row_words_ - word_))};
}

void BurstWalk::Next() {
  word_ += Peek()->beats;
  if (word_ < row_words_) return;
  word_ = 0;
  row_ += stride_;
  --rows_;
}

void TimedLoad::Start(const LoadFields& f) {
  walk_ = BurstWalk(f.dram, f.dram_row_stride, f.rows, f.row_words);
  words_ = WordWalk(f, banks_.banks());
  left_ = f.rows * f.row_words;
  wait_ = kFirstBurst;
  tail_ = kLoadTail;
  active_ = true;
}

std::optional<Burst> TimedLoad::Ask() {
  if (!active_ || wait_ > 0) return std::nullopt;
  const std::optional<Burst> burst = walk_.Peek();
  if (!burst || under_way_ + burst->beats > kBufferWords) return std::nullopt;
  under_way_ += burst->beats;
  walk_.Next();
  return burst;
}

bool TimedLoad::Cycle() {
  if (!active_) return false;
  buffered_ += arriving_.back();
  std::rotate(arriving_.begin(), arriving_.end() - 1, arriving_.end());
  arriving_[0] = 0;
  if (wait_ > 0) --wait_;
  if (left_ == 0) {
    active_ = --tail_ > 0;
    return !active_;
  }
  if (buffered_ == 0 || !banks_.Take(words_.word())) return false;
  words_.Next();
  --buffered_;
  --under_way_;
  --left_;
  return false;
}

void TimedStore::Start(const StoreFields& f) {
  walk_ = BurstWalk(f.dram, f.dram_row_stride, f.rows, f.row_words);
  words_ = WordWalk(f, banks_.banks());
  left_ = f.rows * f.row_words;
  wait_ = kFirstRead;
  read_ = 0;
  tail_ = kStoreTail;
  active_ = true;
}

bool TimedStore::Cycle() {
  if (!active_) return false;
  if (wait_ > 0) {
    --wait_;
    return false;
  }
  if (left_ > 0) {
    if (!banks_.Take(words_.word())) return false;
    words_.Next();
    --left_;
    if (const std::optional<Burst> burst = walk_.Peek(); burst && ++read_ >= burst->beats) {
      read_ -= burst->beats;
      port_.Write(*burst);
      walk_.Next();
    }
    return false;
  }
  if (!port_.idle()) return false;
  active_ = --tail_ > 0;
  return !active_;
}

void TimedVec::Start(const VecFields& f) {
  f_ = f;
  taps_.clear();
  int64_t offset = 0;
  for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
      taps_.push_back({offset, ky, kx});
      offset += Word(kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
    }
  }
  in_ = Word(f.in);
  out_ = Word(f.out);
  group_ = oy_ = ox_ = 0;
  tap_ = 0;
  high_ = false;
  active_ = walking_ = true;
  begin_at_ = now_ + kVecBegin;
  tail_ = kVecTail;
}

// A tap's word, which takes a cycle inside the input or not.
void TimedVec::Read() {
  ++now_;
  if (!active_ || now_ < begin_at_ || !walking_ || under_way_ >= kVecUnderWay) return;
  const Tap& tap = taps_[tap_];
  const int64_t y = f_.first_y + oy_ * f_.stride_y + tap.y, x = f_.first_x + ox_ * f_.stride_x + tap.x;
  const bool inside = y >= 0 && y < f_.in_height && x >= 0 && x < f_.in_width;
  if (inside && !banks_.Take(in_ + tap.word + (high_ ? Word(f_.in_plane) : 0))) return;
  if (tap_ + 1 == taps_.size()) {
    writes_.push_back({now_ + kVecLatency, out_ + (high_ ? Word(f_.out_plane) : 0)});
    ++under_way_;
  }
  if (f_.wide && !high_) {
    high_ = true;
    return;
  }
  high_ = false;
  if (++tap_ < taps_.size()) return;
  tap_ = 0;
  NextOutput();
}

bool TimedVec::Cycle() {
  if (!active_ || now_ < begin_at_) return false;
  if (!writes_.empty() && writes_.front().ready_at <= now_ && banks_.Take(writes_.front().word)) {
    writes_.pop_front();
    --under_way_;
  }
  if (walking_ || !writes_.empty()) return false;
  active_ = --tail_ > 0;
  return !active_;
}

void TimedVec::NextOutput() {
  const bool row_ends = ox_ + 1 == f_.out_width, group_ends = row_ends && oy_ + 1 == f_.out_height;
  in_ += Word(group_ends ? f_.in_group : row_ends ? f_.in_row : f_.in_pixel);
  out_ += Word(group_ends ? f_.out_group : row_ends ? f_.out_row : f_.out_pixel);
  if (!row_ends) {
    ++ox_;
  } else if (!group_ends) {
    ox_ = 0;
    ++oy_;
  } else {
    ox_ = oy_ = 0;
    walking_ = ++group_ < f_.groups;
  }
}

}  // namespace msq::hw
