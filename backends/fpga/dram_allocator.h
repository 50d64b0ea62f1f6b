// First-fit allocation of a device's memory, in pages.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace msq::fpga {

// Not thread-safe.
class DramAllocator {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  DramAllocator(uint64_t base, uint64_t bytes) : free_{{base, bytes / kPageBytes * kPageBytes}} {}

  // The address of `bytes` > 0 bytes, rounded up to pages; nothing when there is no such room.
  std::optional<uint64_t> Take(uint64_t bytes);
  // What Take gave for the same number of bytes.
  void Give(uint64_t address, uint64_t bytes);
  uint64_t free_bytes() const;

 private:
  static uint64_t Rounded(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

  std::map<uint64_t, uint64_t> free_;  // bytes of each free range, by its address
};

}  // namespace msq::fpga
