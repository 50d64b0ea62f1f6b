#include "hw/sim/dram_allocator.h"

namespace msq::hw {

std::optional<uint64_t> DramAllocator::Allocate(uint64_t bytes) {
  if (bytes == 0 || bytes > bytes_) return std::nullopt;
  const uint64_t pages = (bytes + kPage - 1) / kPage * kPage;
  uint64_t address = base_;
  for (const auto& [begin, size] : used_) {
    if (begin - address >= pages) break;
    address = begin + size;
  }
  if (address - base_ > bytes_ || bytes_ - (address - base_) < pages) return std::nullopt;
  used_[address] = pages;
  return address;
}

uint64_t DramAllocator::free_bytes() const {
  uint64_t bytes = bytes_;
  for (const auto& [address, size] : used_) bytes -= size;
  return bytes;
}

}  // namespace msq::hw
