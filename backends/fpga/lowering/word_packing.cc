#include "backends/fpga/lowering/word_packing.h"

#include <cstdint>
#include <cstring>

namespace msq::fpga {
namespace {

constexpr size_t kBlock = 8;  // pixels at once, a byte each in 64 bits
constexpr uint64_t kLowNibbles = 0x0f0f0f0f0f0f0f0fu;

using Block = std::array<uint64_t, kBlock>;

uint64_t Load(const std::byte* from, size_t count) {
  uint64_t bytes = 0;
  if (from != nullptr) std::memcpy(&bytes, from, count);
  return bytes;
}

// Byte i of number k becomes byte k of number i.
void Transpose(Block* block) {
  const auto swap = [block](size_t distance, uint64_t mask) {
    const auto shift = static_cast<int>(8 * distance);
    for (size_t i = 0; i < kBlock; ++i) {
      if ((i & distance) != 0) continue;
      uint64_t &low = (*block)[i], &high = (*block)[i + distance];
      const uint64_t change = (low >> shift ^ high) & mask;
      high ^= change;
      low ^= change << shift;
    }
  };
  swap(4, 0x00000000ffffffffu);
  swap(2, 0x0000ffff0000ffffu);
  swap(1, 0x00ff00ff00ff00ffu);
}

// `count` is kBlock but for the last block.
inline void PackBlock(const WordCodes& codes, size_t first, size_t count, std::byte* low, std::byte* high) {
  Block lows, highs;
  for (size_t pair = 0; pair < kBlock; ++pair) {
    const auto load = [&](const std::byte* of) { return Load(of == nullptr ? nullptr : of + first, count); };
    const uint64_t even = load(codes[2 * pair]), odd = load(codes[2 * pair + 1]);
    lows[pair] = (even & kLowNibbles) | (odd & kLowNibbles) << 4;
    highs[pair] = (even >> 4 & kLowNibbles) | (odd & ~kLowNibbles);
  }
  const auto store = [&](Block* block, std::byte* to) {
    Transpose(block);
    std::memcpy(to + kWordBytes * static_cast<int64_t>(first), block->data(), sizeof(uint64_t) * count);
  };
  store(&lows, low);
  if (high != nullptr) store(&highs, high);
}

}  // namespace

void PackWords(const WordCodes& codes, size_t pixels, std::byte* low, std::byte* high) {
  size_t first = 0;
  for (; first + kBlock <= pixels; first += kBlock) PackBlock(codes, first, kBlock, low, high);
  if (first < pixels) PackBlock(codes, first, pixels - first, low, high);
}

}  // namespace msq::fpga
