// A batch's bytes as a program of several samples at a time takes and gives them: lowering/batch_folding.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace msq::fpga {

// [batch,C] of elements of `width` bytes, as [runs,C,fold] with zeros where there is no sample.
std::vector<std::byte> FoldSamples(std::span<const std::byte> samples, int64_t batch, int64_t width, int64_t fold);

// The way back; `samples` has the size of [batch,C].
void UnfoldSamples(std::span<const std::byte> folded, int64_t batch, int64_t width, int64_t fold,
                   std::span<std::byte> samples);

}  // namespace msq::fpga
