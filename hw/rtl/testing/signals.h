// Bit fields of a verilated model's ports, whatever type Verilator gave them (an integer, or an array of 32-bit words).
#pragma once

#include <cstdint>
#include <type_traits>

namespace msq::hw {

// At most 64 bits.
template <typename Signal>
uint64_t GetBits(const Signal& signal, int lsb, int width) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if constexpr (std::is_integral_v<Signal>) {
    return static_cast<uint64_t>(signal) >> lsb & mask;
  } else {
    uint64_t value = 0;
    for (int bit = lsb; bit < lsb + width;) {
      const int offset = bit % 32;
      const auto word = static_cast<uint64_t>(signal[static_cast<size_t>(bit / 32)] >> offset);
      value |= word << (bit - lsb);
      bit += 32 - offset;
    }
    return value & mask;
  }
}

template <typename Signal>
void SetBits(Signal& signal, int lsb, int width, uint64_t value) {
  if constexpr (std::is_integral_v<Signal>) {
    const uint64_t mask = (width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1) << lsb;
    signal = static_cast<Signal>((static_cast<uint64_t>(signal) & ~mask) | (value << lsb & mask));
  } else {
    for (int i = 0; i < width;) {
      const int offset = (lsb + i) % 32;
      const int count = width - i < 32 - offset ? width - i : 32 - offset;
      const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << count) - 1) << offset;
      auto& word = signal[static_cast<size_t>((lsb + i) / 32)];
      word = (word & ~mask) | (static_cast<uint32_t>(value >> i) << offset & mask);
      i += count;
    }
  }
}

}  // namespace msq::hw
