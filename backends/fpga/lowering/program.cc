#include "backends/fpga/lowering/program.h"

#include <cstring>
#include <variant>

#include "base/check.h"
#include "hw/regs/isa.h"

namespace msq::fpga {
namespace {

// A tensor's words in host memory.
class Words {
 public:
  explicit Words(const ImageLayout& layout) : layout_(layout), words_(static_cast<size_t>(layout.words())) {}

  void PutCode(int64_t slot, int64_t pixel, uint64_t code) {
    for (int64_t plane = 0; plane < layout_.planes(); ++plane) {
      words_[Index(plane, slot, pixel)] |= (code >> (4 * plane) & 15) << (4 * (slot % kWordChannels));
    }
  }
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

void PackTaps(const ImageLayout& layout, const TapPacking& taps, std::span<const std::byte> codes, Words* words) {
  const auto [channels, height, width] = taps.shape;
  for (int64_t pixel = 0; pixel < layout.pixels(); ++pixel) {
    const int64_t top = pixel / layout.width * taps.stride_y - taps.pad_top;
    const int64_t left = pixel % layout.width * taps.stride_x - taps.pad_left;
    for (int64_t row = 0; row < taps.rows; ++row) {
      for (int64_t kx = 0; kx < taps.kernel_w; ++kx) {
        const int64_t y = top + row, x = left + kx * taps.dilation_x;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        for (int64_t c = 0; c < channels; ++c) {
          const auto index = static_cast<size_t>((c * height + y) * width + x);
          const uint64_t code = inside ? static_cast<uint64_t>(codes[index]) : static_cast<uint64_t>(taps.zero_point);
          words->PutCode(layout.slots[static_cast<size_t>(taps.slot(row, kx, c))], pixel, code);
        }
      }
    }
  }
}

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
  Words words(input.layout);
  if (input.taps) {
    PackTaps(input.layout, *input.taps, codes, &words);
  } else {
    size_t index = 0;
    for (int64_t slot : input.layout.slots) {
      for (int64_t pixel = 0; pixel < input.layout.pixels(); ++pixel) {
        words.PutCode(slot, pixel, static_cast<uint64_t>(codes[index++]));
      }
    }
  }
  std::memcpy(out.data(), words.words().data(), out.size());
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
