#include "backends/fpga/dram_allocator.h"

#include <algorithm>
#include <iterator>

namespace msq::fpga {

std::optional<uint64_t> DramAllocator::Take(uint64_t bytes) {
  const uint64_t wanted = Rounded(bytes);
  if (wanted < bytes) return std::nullopt;  // more than there can be
  const auto it = std::find_if(free_.begin(), free_.end(), [&](const auto& range) { return range.second >= wanted; });
  if (it == free_.end()) return std::nullopt;
  const auto [address, size] = *it;
  free_.erase(it);
  if (size > wanted) free_.emplace(address + wanted, size - wanted);
  return address;
}

void DramAllocator::Give(uint64_t address, uint64_t bytes) {
  auto it = free_.emplace(address, Rounded(bytes)).first;
  if (const auto next = std::next(it); next != free_.end() && it->first + it->second == next->first) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it == free_.begin()) return;
  if (const auto before = std::prev(it); before->first + before->second == it->first) {
    before->second += it->second;
    free_.erase(it);
  }
}

uint64_t DramAllocator::free_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [address, size] : free_) bytes += size;
  return bytes;
}

}  // namespace msq::fpga
