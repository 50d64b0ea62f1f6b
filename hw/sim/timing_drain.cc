#include "hw/sim/timing_drain.h"

#include <algorithm>

namespace msq::hw {
namespace {

constexpr int64_t kItemLatency = 17;   // from a pass's last step to its first item
constexpr int64_t kCreditLatency = 1;  // from an item that leaves the buffer to the room it gives
constexpr int64_t kWriteLatency = 12;  // from an item to its first word's write
constexpr int64_t kRawLatency = 8;     // the same of sums
constexpr int64_t kTail = 2;           // from the last write to the instruction's end
constexpr size_t kWrites = 32;         // items that wait to be written
constexpr size_t kRawWrites = 2;

}  // namespace

TimedDrain::TimedDrain(const Configuration& configuration, TimedWeights* weights, BankPorts* banks)
    : configuration_(configuration),
      clients_(configuration.q > 16 ? static_cast<size_t>(configuration.q / 16) : 1),
      weights_(*weights),
      banks_(*banks),
      room_(int64_t{4} * configuration.p * configuration.lanes() / configuration.q) {}

void TimedDrain::Add(const Pass& pass) {
  room_ -= pass.items;
  arriving_.push_back({pass, now_ + kItemLatency, 0});
}

bool TimedDrain::Cycle() {
  ++now_;
  for (; !credits_.empty() && credits_.front() <= now_; credits_.pop_front()) ++room_;
  Take();
  WriteBack();
  const bool written = std::all_of(writes_.begin(), writes_.end(), [](const auto& writes) { return writes.empty(); });
  if (!ends_ || !written || --tail_ > 0) return false;
  ends_ = false;
  return true;
}

bool TimedDrain::MayWrite() const {
  const size_t most = f_.raw ? kRawWrites : kWrites;
  return std::all_of(writes_.begin(), writes_.end(), [most](const auto& writes) { return writes.size() < most; });
}

// An item. In the last pass it may take two cycles, and it needs room among the writes.
void TimedDrain::Take() {
  if (arriving_.empty() || now_ < arriving_.front().at || now_ < next_item_) return;
  Arriving& pass = arriving_.front();
  if (pass.is_last && !MayWrite()) return;
  const int64_t cycles = pass.is_last && (f_.leaky || f_.skip8) ? 2 : 1;
  next_item_ = now_ + cycles;
  credits_.push_back(next_item_ + kCreditLatency);
  if (pass.is_last) PushWrites(pass);
  if (++pass.done < pass.items) return;
  if (pass.ends_tile) weights_.DrainTile();
  ends_ = pass.ends_instruction;
  tail_ = kTail;
  arriving_.pop_front();
}

void TimedDrain::PushWrites(const Arriving& pass) {
  const int64_t q = configuration_.q, group = pass.done / pass.pixels, pixel = pass.done % pass.pixels;
  const auto word = [this](Address address) { return JoinAddress(address, banks_.banks()); };
  const int64_t lane = pass.tile * configuration_.lanes() + group * q + (f_.out_half ? 8 : 0);
  const int64_t between_tiles = q == 8 ? 0 : word(f_.out_tile) - q / 16 * word(f_.out_group);
  Write write;
  write.at = next_item_ - 1 + (f_.raw ? kRawLatency : kWriteLatency);
  write.word = word(f_.out) + lane / 16 * word(f_.out_group) + pass.tile * between_tiles +
               (pass.first_pixel + pixel) * word(f_.out_pixel);
  write.step = f_.raw ? 1 : word(f_.out_plane);
  write.words = f_.raw ? std::min<int64_t>(q, 16) / 2 : f_.out8 ? 2 : 1;
  for (size_t client = 0; client < clients_; ++client) {
    writes_[client].push_back(write);
    write.word += word(f_.out_group);
  }
}

void TimedDrain::WriteBack() {
  for (std::deque<Write>& writes : writes_) {
    if (writes.empty()) continue;
    Write& write = writes.front();
    if (now_ < write.at || !banks_.Take(write.word)) continue;
    write.word += write.step;
    if (--write.words > 0) continue;
    writes.pop_front();
    // The next sums come to the registers from which these are written.
    if (f_.raw && !writes.empty()) writes.front().at = std::max(writes.front().at, now_ + 2);
  }
}

}  // namespace msq::hw
