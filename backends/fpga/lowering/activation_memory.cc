#include "backends/fpga/lowering/activation_memory.h"

namespace msq::fpga {

Region::~Region() {
  memory_->taken_.erase(begin_);
}

std::shared_ptr<Region> ActivationMemory::Take(int64_t words) {
  int64_t begin = 0;
  for (const auto& [other, end] : taken_) {
    if (other - begin >= words) break;
    begin = end;
  }
  return TakeAt(begin, words);
}

std::shared_ptr<Region> ActivationMemory::TakeHigh(int64_t words) {
  int64_t end = words_;
  for (auto other = taken_.rbegin(); other != taken_.rend(); ++other) {
    if (end - other->second >= words) break;
    end = other->first;
  }
  return TakeAt(end - words, words);
}

std::shared_ptr<Region> ActivationMemory::TakeAt(int64_t begin, int64_t words) {
  if (words < 1 || begin < 0 || begin + words > words_) return nullptr;
  taken_[begin] = begin + words;
  return std::make_shared<Region>(this, begin);
}

int64_t ActivationMemory::taken() const {
  int64_t sum = 0;
  for (const auto& [begin, end] : taken_) sum += end - begin;
  return sum;
}

}  // namespace msq::fpga
