// Inputs packed in words against what the layout says of each code.
#include "backends/fpga/lowering/word_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "backends/fpga/lowering/program.h"

namespace msq::fpga {
namespace {

std::vector<std::byte> RandomCodes(size_t count, int bits, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::byte> codes(count);
  for (std::byte& code : codes) code = static_cast<std::byte>(random() >> 8 & ((1u << bits) - 1));
  return codes;
}

// The code in a tensor's words as ImageLayout describes them.
int CodeAt(const ImageLayout& layout, const std::vector<std::byte>& bytes, int64_t slot, int64_t pixel) {
  int code = 0;
  for (int64_t plane = 0; plane < layout.planes(); ++plane) {
    const int64_t word = plane * layout.plane_words() + slot / kWordChannels * layout.pixels() + pixel;
    const std::byte byte = bytes[static_cast<size_t>(word * kWordBytes + slot % kWordChannels / 2)];
    code |= (std::to_integer<int>(byte) >> (slot % 2 * 4) & 15) << (4 * plane);
  }
  return code;
}

TEST(WordPackingTest, ChannelsStandInTheirSlots) {
  for (const int bits : {4, 8}) {
    for (const int64_t width : {1, 7, 8, 13, 24}) {
      HostTensor input;
      input.layout = {
          .channels = 5, .height = 3, .width = width, .bits = bits, .slots = {3, 0, 31, 17, 8}, .plane_groups = 3};
      const auto codes = RandomCodes(static_cast<size_t>(15 * width), bits, 5);
      std::vector<std::byte> words(static_cast<size_t>(input.bytes()), std::byte{0xff});
      PackInput(input, codes, words);
      for (int64_t slot = 0; slot < 32; ++slot) {
        const auto& slots = input.layout.slots;
        const auto channel = std::find(slots.begin(), slots.end(), slot) - slots.begin();
        for (int64_t pixel = 0; pixel < 3 * width; ++pixel) {
          const int expected =
              channel == 5 ? 0 : std::to_integer<int>(codes[static_cast<size_t>(channel * 3 * width + pixel)]);
          ASSERT_EQ(CodeAt(input.layout, words, slot, pixel), expected) << "slot " << slot << ", pixel " << pixel;
        }
      }
    }
  }
}

TEST(WordPackingTest, TapsStandBesideEachOther) {
  const TapPacking taps = {.shape = {3, 9, 10},
                           .rows = 2,
                           .stride_y = 2,
                           .kernel_w = 3,
                           .stride_x = 2,
                           .dilation_x = 2,
                           .pad_top = 1,
                           .pad_left = 3,
                           .zero_point = 77};
  HostTensor input;
  input.layout = {.channels = 18, .height = 6, .width = 9, .bits = 8, .slots = {}, .plane_groups = 2};
  for (int64_t tap = 0; tap < 18; ++tap) input.layout.slots.push_back(tap * 7 % 32);
  input.taps = taps;
  const auto codes = RandomCodes(3 * 9 * 10, 8, 6);
  std::vector<std::byte> words(static_cast<size_t>(input.bytes()));
  PackInput(input, codes, words);
  for (int64_t row = 0; row < taps.rows; ++row) {
    for (int64_t kx = 0; kx < taps.kernel_w; ++kx) {
      for (int64_t c = 0; c < 3; ++c) {
        for (int64_t pixel = 0; pixel < input.layout.pixels(); ++pixel) {
          const int64_t y = pixel / 9 * 2 - 1 + row, x = pixel % 9 * 2 - 3 + kx * 2;
          const bool inside = y >= 0 && y < 9 && x >= 0 && x < 10;
          const int expected = inside ? std::to_integer<int>(codes[static_cast<size_t>((c * 9 + y) * 10 + x)]) : 77;
          const int64_t slot = input.layout.slots[static_cast<size_t>(taps.slot(row, kx, c))];
          ASSERT_EQ(CodeAt(input.layout, words, slot, pixel), expected)
              << "row " << row << ", tap " << kx << ", pixel " << pixel;
        }
      }
    }
  }
}

}  // namespace
}  // namespace msq::fpga
