// Codes of channels, a byte each, into the words of the activation memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/fpga/lowering/image_layout.h"

namespace msq::fpga {

// The codes of each of a word's 16 channels, pixel by pixel; null: all are 0.
using WordCodes = std::array<const std::byte*, kWordChannels>;

// The low four bits of `low.size()` pixels' codes and, unless it is empty, the high ones.
void PackWords(const WordCodes& codes, std::span<uint64_t> low, std::span<uint64_t> high);

}  // namespace msq::fpga
