// Bit fields of Verilator's ports wider than 32 bits: arrays of words, or one 64-bit number.
#pragma once

#include <cstddef>
#include <cstdint>

namespace msq::hw {

template <class Wide>
void SetBits(Wide& port, int lowest, int width, uint32_t value) {
  for (int i = 0; i < width; ++i) {
    const int bit = lowest + i;
    uint32_t& word = port[static_cast<size_t>(bit / 32)];
    word = (word & ~(1u << bit % 32)) | (value >> i & 1) << bit % 32;
  }
}
inline void SetBits(uint64_t& port, int lowest, int width, uint32_t value) {
  const uint64_t mask = ((uint64_t{1} << width) - 1) << lowest;
  port = (port & ~mask) | (uint64_t{value} << lowest & mask);
}

template <class Wide>
uint32_t GetBits(const Wide& port, int lowest, int width) {
  uint32_t value = 0;
  for (int i = 0; i < width; ++i) {
    const int bit = lowest + i;
    value |= (port[static_cast<size_t>(bit / 32)] >> bit % 32 & 1) << i;
  }
  return value;
}

}  // namespace msq::hw
