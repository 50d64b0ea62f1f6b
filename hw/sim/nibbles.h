// Codes of four bits between words, 16 or 8 beside each other, and bytes, one each.
#pragma once

#include <cstdint>
#include <cstring>

namespace msq::hw {

// The eight nibbles of `half`, one a byte, the lowest first.
inline void SpreadNibbles(uint32_t half, uint8_t* bytes) {
  uint64_t spread = half;
  spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
  spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
  spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fu;
  std::memcpy(bytes, &spread, sizeof(spread));
}

// Bits shift .. shift + 3 of eight bytes, one after the other.
inline uint32_t PackNibbles(const uint8_t* bytes, int shift) {
  uint64_t spread;
  std::memcpy(&spread, bytes, sizeof(spread));
  spread = spread >> shift & 0x0f0f0f0f0f0f0f0fu;
  spread = (spread | spread >> 4) & 0x00ff00ff00ff00ffu;
  spread = (spread | spread >> 8) & 0x0000ffff0000ffffu;
  return static_cast<uint32_t>(spread | spread >> 16);
}

// Of 16 bytes.
inline uint64_t PackWord(const uint8_t* bytes, int shift) {
  return uint64_t{PackNibbles(bytes + 8, shift)} << 32 | PackNibbles(bytes, shift);
}

}  // namespace msq::hw
