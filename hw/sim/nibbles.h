// Codes of four bits between words, 16 or 8 beside each other, and bytes, one each. Each file of kernels compiles this for
// its own processor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hw/sim/conv_kernels.h"

namespace msq::hw {

// The eight nibbles of `half`, one a byte, the lowest first.
[[gnu::always_inline]] inline void SpreadNibbles(uint32_t half, uint8_t* bytes) {
  uint64_t spread = half;
  spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
  spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
  spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fu;
  std::memcpy(bytes, &spread, sizeof(spread));
}

// Bits shift .. shift + 3 of eight bytes, one after the other.
[[gnu::always_inline]] inline uint32_t PackNibbles(const uint8_t* bytes, int shift) {
  uint64_t spread;
  std::memcpy(&spread, bytes, sizeof(spread));
  spread = spread >> shift & 0x0f0f0f0f0f0f0f0fu;
  spread = (spread | spread >> 4) & 0x00ff00ff00ff00ffu;
  spread = (spread | spread >> 8) & 0x0000ffff0000ffffu;
  return static_cast<uint32_t>(spread | spread >> 16);
}

// Word number `word` to or from 16 bytes.
[[gnu::always_inline]] inline void SpreadWords(const PixelWords<const uint64_t>& words, size_t word, uint8_t* bytes) {
  const auto spread = [word](const uint64_t* from, uint8_t* to) {
    SpreadNibbles(static_cast<uint32_t>(from[word]), to);
    SpreadNibbles(static_cast<uint32_t>(from[word] >> 32), to + 8);
  };
  spread(words.low, bytes);
  if (words.high == nullptr) return;
  std::array<uint8_t, kLaneBlock> high;
  spread(words.high, high.data());
  for (size_t i = 0; i < high.size(); ++i) bytes[i] = static_cast<uint8_t>(bytes[i] | high[i] << 4);
}
[[gnu::always_inline]] inline void PackWords(const uint8_t* bytes, size_t word, const PixelWords<uint64_t>& words) {
  const auto pack = [bytes](int shift) {
    return uint64_t{PackNibbles(bytes + 8, shift)} << 32 | PackNibbles(bytes, shift);
  };
  words.low[word] = pack(0);
  if (words.high != nullptr) words.high[word] = pack(4);
}

}  // namespace msq::hw
