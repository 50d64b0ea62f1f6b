#include "hw/sim/timing_move.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kBufferWords = 64;
constexpr int64_t kFirstBurst = 6;  // from a command to its first burst
constexpr int64_t kLoadTail = 5;    // from the last word's write to the end
constexpr int64_t kFirstRead = 6;   // of STORE
constexpr int64_t kStoreTail = 3;
constexpr int64_t kVecOverhead = 14;  // before the first read, and from the last one to the end

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
  if (wait_ > 0) --wait_;
  if (left_ == 0) {
    active_ = --tail_ > 0;
    return !active_;
  }
  if (buffered_ == 0) return false;
  --buffered_;
  --under_way_;
  --left_;
  return false;
}

void TimedStore::Start(const StoreFields& f) {
  walk_ = BurstWalk(f.dram, f.dram_row_stride, f.rows, f.row_words);
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
  const int64_t words = f.groups * f.out_height * f.out_width * f.kernel_h * f.kernel_w * (f.wide ? 2 : 1);
  left_ = words + kVecOverhead;
}

}  // namespace msq::hw
