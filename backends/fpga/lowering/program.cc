#include "backends/fpga/lowering/program.h"

#include <algorithm>
#include <cstring>
#include <variant>
#include <vector>

#include "backends/fpga/lowering/word_packing.h"
#include "base/check.h"
#include "hw/regs/isa.h"

namespace msq::fpga {
namespace {

// The codes of each word group's channels, which are `stride` bytes apart.
std::vector<WordCodes> GroupsOf(const ImageLayout& layout, const std::byte* codes, int64_t stride) {
  std::vector<WordCodes> groups(static_cast<size_t>(layout.groups()));
  for (size_t channel = 0; channel < layout.slots.size(); ++channel) {
    const int64_t slot = layout.slots[channel];
    groups[static_cast<size_t>(slot / kWordChannels)][static_cast<size_t>(slot % kWordChannels)] =
        codes + static_cast<int64_t>(channel) * stride;
  }
  return groups;
}

// `count` pixels from `pixel` on.
void PackPixels(const ImageLayout& layout, const std::vector<WordCodes>& groups, int64_t pixel, int64_t count,
                std::span<std::byte> words) {
  for (size_t group = 0; group < groups.size(); ++group) {
    const auto plane = [&](int64_t number) {
      const int64_t word = number * layout.plane_words() + static_cast<int64_t>(group) * layout.pixels() + pixel;
      return words.subspan(static_cast<size_t>(kWordBytes * word), static_cast<size_t>(kWordBytes * count)).data();
    };
    PackWords(groups[group], static_cast<size_t>(count), plane(0), layout.planes() > 1 ? plane(1) : nullptr);
  }
}

// A row of the input as a tap sees it, which begins at column `left`.
void TakeTapRow(const TapPacking& taps, const std::byte* row, int64_t left, std::span<std::byte> to) {
  const int64_t width = taps.shape[2], stride = taps.stride_x, count = std::ssize(to);
  const int64_t begin = std::clamp<int64_t>(CeilDiv(std::max<int64_t>(-left, 0), stride), 0, count);
  const int64_t end = std::clamp<int64_t>(CeilDiv(std::max<int64_t>(width - left, 0), stride), begin, count);
  std::fill(to.begin(), to.begin() + begin, static_cast<std::byte>(taps.zero_point));
  for (int64_t i = begin; i < end; ++i) to[static_cast<size_t>(i)] = row[left + i * stride];
  std::fill(to.begin() + end, to.end(), static_cast<std::byte>(taps.zero_point));
}

void PackTaps(const ImageLayout& layout, const TapPacking& taps, std::span<const std::byte> codes,
              std::span<std::byte> words) {
  const auto [channels, height, width] = taps.shape;
  const auto out_width = static_cast<size_t>(layout.width);
  std::vector<std::byte> rows(layout.slots.size() * out_width);
  const std::vector<WordCodes> groups = GroupsOf(layout, rows.data(), layout.width);
  for (int64_t out_row = 0; out_row < layout.height; ++out_row) {
    for (int64_t row = 0; row < taps.rows; ++row) {
      const int64_t y = out_row * taps.stride_y - taps.pad_top + row;
      for (int64_t kx = 0; kx < taps.kernel_w; ++kx) {
        for (int64_t c = 0; c < channels; ++c) {
          const auto to = std::span(rows).subspan(static_cast<size_t>(taps.slot(row, kx, c)) * out_width, out_width);
          if (y < 0 || y >= height) {
            std::fill(to.begin(), to.end(), static_cast<std::byte>(taps.zero_point));
          } else {
            TakeTapRow(taps, codes.data() + (c * height + y) * width, kx * taps.dilation_x - taps.pad_left, to);
          }
        }
      }
    }
    PackPixels(layout, groups, out_row * layout.width, layout.width, words);
  }
}

// The words of an output.
class Words {
 public:
  explicit Words(const ImageLayout& layout) : layout_(layout), words_(static_cast<size_t>(layout.words())) {}

  uint64_t TakeCode(int64_t slot, int64_t pixel) const {
    uint64_t code = 0;
    for (int64_t plane = 0; plane < layout_.planes(); ++plane) {
      code |= (words_[Index(plane, slot, pixel)] >> (4 * (slot % kWordChannels)) & 15) << (4 * plane);
    }
    return code;
  }
  uint32_t TakeSum(int64_t slot, int64_t pixel) const {
    const int64_t lane = slot % kWordChannels;
    const int64_t index = slot / kWordChannels * layout_.group_words() + pixel * layout_.pixel_words() + lane / 2;
    return static_cast<uint32_t>(words_[static_cast<size_t>(index)] >> (lane % 2 * 32));
  }
  std::vector<uint64_t>& words() { return words_; }

 private:
  size_t Index(int64_t plane, int64_t slot, int64_t pixel) const {
    return static_cast<size_t>(plane * layout_.plane_words() + slot / kWordChannels * layout_.pixels() + pixel);
  }

  const ImageLayout& layout_;
  std::vector<uint64_t> words_;
};

}  // namespace

void Program::MoveTo(uint64_t base) {
  for (int64_t i = 0; i < instructions; ++i) {
    hw::Instruction instruction;
    std::byte* place = image.data() + i * hw::kInstructionBytes;
    std::memcpy(instruction.data(), place, hw::kInstructionBytes);
    const auto move = [&](auto fields) {
      if constexpr (requires { fields.dram; }) {
        fields.dram += static_cast<int64_t>(base);
        MSQ_CHECK(hw::Encode(fields, &instruction).empty());
      }
    };
    std::visit(move, *hw::DecodeAny(instruction));
    std::memcpy(place, instruction.data(), hw::kInstructionBytes);
  }
}

void PackInput(const HostTensor& input, std::span<const std::byte> codes, std::span<std::byte> out) {
  const ImageLayout& layout = input.layout;
  if (layout.groups() < layout.plane_groups) std::fill(out.begin(), out.end(), std::byte{});
  if (input.taps) return PackTaps(layout, *input.taps, codes, out);
  PackPixels(layout, GroupsOf(layout, codes.data(), layout.pixels()), 0, layout.pixels(), out);
}

void UnpackOutput(const HostTensor& output, std::span<const std::byte> words, std::span<std::byte> values) {
  Words source(output.layout);
  std::memcpy(source.words().data(), words.data(), words.size());
  size_t index = 0;
  for (int64_t slot : output.layout.slots) {
    for (int64_t pixel = 0; pixel < output.layout.pixels(); ++pixel, ++index) {
      if (output.layout.raw) {
        const uint32_t sum = source.TakeSum(slot, pixel);
        std::memcpy(values.data() + 4 * index, &sum, 4);
      } else {
        values[index] = static_cast<std::byte>(source.TakeCode(slot, pixel));
      }
    }
  }
}

}  // namespace msq::fpga
