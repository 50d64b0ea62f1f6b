// Codes of channels, a byte each, into the words of the activation memory.
#pragma once

#include <array>
#include <cstddef>

#include "backends/fpga/lowering/image_layout.h"

namespace msq::fpga {

// The codes of each of a word's 16 channels, pixel by pixel; null: all are 0.
using WordCodes = std::array<const std::byte*, kWordChannels>;

// Words of `pixels` pixels: of the low four bits of their codes and, unless it is null, of the high ones.
void PackWords(const WordCodes& codes, size_t pixels, std::byte* low, std::byte* high);

}  // namespace msq::fpga
