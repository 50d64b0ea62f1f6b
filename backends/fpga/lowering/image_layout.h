// How a tensor lies in words of the activation memory, and in DRAM, where inputs and outputs have the same words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace msq::fpga {

inline constexpr int64_t kWordChannels = 16;
inline constexpr int64_t kWordBytes = 8;

constexpr int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t RoundUp(int64_t a, int64_t b) {
  return CeilDiv(a, b) * b;
}

// An image's codes in planes of nibbles, or its raw sums. A slot is a channel's place: nibble slot % 16 of word group
// slot / 16. Slots that no channel has hold anything.
struct ImageLayout {
  int64_t channels = 0;
  int64_t height = 1;
  int64_t width = 1;
  int bits = 4;                     // of a code
  bool raw = false;                 // 32-bit sums: 8 words for each 16 slots
  std::vector<int64_t> slots = {};  // [channels]
  int64_t plane_groups = 0;         // word groups from a plane of nibbles to the next: groups() or more

  int64_t pixels() const { return height * width; }
  int64_t planes() const { return raw ? 1 : bits / 4; }
  int64_t slot_end() const { return slots.empty() ? 0 : *std::max_element(slots.begin(), slots.end()) + 1; }
  int64_t groups() const { return CeilDiv(slot_end(), kWordChannels); }
  int64_t pixel_words() const { return raw ? 8 : 1; }
  int64_t group_words() const { return pixels() * pixel_words(); }
  int64_t plane_words() const { return plane_groups * group_words(); }
  int64_t words() const { return planes() * plane_words(); }

  ImageLayout WithHeight(int64_t rows) const {
    ImageLayout layout = *this;
    layout.height = rows;
    return layout;
  }
};

}  // namespace msq::fpga
