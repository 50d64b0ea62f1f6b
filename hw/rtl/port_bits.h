// Reads and writes bits of a Verilated port, whatever type its width gave it.
#pragma once

#include <concepts>
#include <cstdint>

namespace msq::hw {

// Bits lsb .. lsb + width - 1 of a port; width at most 64.
template <std::unsigned_integral Port>
uint64_t PortBits(const Port& port, int lsb, int width) {
  const uint64_t bits = static_cast<uint64_t>(port) >> lsb;
  return width == 64 ? bits : bits & ((uint64_t{1} << width) - 1);
}

template <typename Wide>
uint64_t PortBits(const Wide& port, int lsb, int width) {
  uint64_t bits = 0;
  for (int i = 0; i < width;) {
    const int bit = (lsb + i) % 32;
    bits |= static_cast<uint64_t>(port[(lsb + i) / 32] >> bit) << i;
    i += 32 - bit;
  }
  return width == 64 ? bits : bits & ((uint64_t{1} << width) - 1);
}

template <std::unsigned_integral Port>
void SetPortBits(uint64_t value, int lsb, int width, Port* port) {
  const uint64_t mask = (width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1) << lsb;
  *port = static_cast<Port>((*port & ~mask) | ((value << lsb) & mask));
}

template <typename Wide>
void SetPortBits(uint64_t value, int lsb, int width, Wide* port) {
  for (int i = 0; i < width;) {
    const int bit = (lsb + i) % 32;
    const int count = width - i < 32 - bit ? width - i : 32 - bit;
    const uint32_t mask = static_cast<uint32_t>(((uint64_t{1} << count) - 1) << bit);
    uint32_t word = (*port)[(lsb + i) / 32];
    word = (word & ~mask) | (static_cast<uint32_t>(value >> i << bit) & mask);
    (*port)[(lsb + i) / 32] = word;
    i += count;
  }
}

}  // namespace msq::hw
