// Hands out the DRAM of an emulated device as Linux's CMA does: whole pages, one after the other, the first gap that is
// large enough.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace msq::hw {

class DramAllocator {
 public:
  static constexpr uint64_t kPage = 4096;

  DramAllocator() = default;
  DramAllocator(uint64_t base, uint64_t bytes) : base_(base), bytes_(bytes) {}

  // The address of the first byte; nothing when there is no room, or for 0 bytes.
  std::optional<uint64_t> Allocate(uint64_t bytes);
  void Free(uint64_t address) { used_.erase(address); }
  bool empty() const { return used_.empty(); }
  uint64_t free_bytes() const;

 private:
  uint64_t base_ = 0;
  uint64_t bytes_ = 0;
  std::map<uint64_t, uint64_t> used_;  // address -> bytes, whole pages
};

}  // namespace msq::hw
