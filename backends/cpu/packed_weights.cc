#include "backends/cpu/packed_weights.h"

#include <algorithm>
#include <cstdlib>

#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {
namespace {

// Whether some two neighbouring bytes of a depth group may give products whose sum leaves 16 bits.
bool HasWidePair(const int8_t* packed, int64_t size, int64_t max_code) {
  for (int64_t i = 0; i < size; i += 2) {
    const int64_t magnitude = std::abs(int{packed[i]}) + std::abs(int{packed[i + 1]});
    if (magnitude * max_code > kNarrowPairLimit) return true;
  }
  return false;
}

}  // namespace

int64_t PackedWeights::block_bytes() const {
  return depth_groups * kDepthGroup * kColumnBlock;
}

PackedWeights PackWeights(const ir::Weights& weights, int64_t groups, int64_t taps, int64_t max_code) {
  const int64_t channels = weights.row_length / taps;
  PackedWeights packed;
  packed.groups = groups;
  packed.rows_per_group = weights.rows / groups;
  packed.blocks_per_group = (packed.rows_per_group + kColumnBlock - 1) / kColumnBlock;
  packed.depth_groups = (weights.row_length + kDepthGroup - 1) / kDepthGroup;
  const int64_t size = groups * packed.blocks_per_group * packed.block_bytes();
  packed.data = AlignedBuffer(AllocationSize(size));
  int8_t* data = packed.data.as<int8_t>();
  for (int64_t row = 0; row < weights.rows; ++row) {
    const int64_t group = row / packed.rows_per_group, column = row % packed.rows_per_group;
    const int64_t block = group * packed.blocks_per_group + column / kColumnBlock;
    int8_t* out = data + block * packed.block_bytes() + column % kColumnBlock * kDepthGroup;
    const int8_t* values = weights.values.data() + row * weights.row_length;
    for (int64_t depth = 0; depth < weights.row_length; ++depth) {
      const int64_t tap = depth / channels, channel = depth % channels;
      const int8_t weight = values[channel * taps + tap];
      out[depth / kDepthGroup * kDepthGroup * kColumnBlock + depth % kDepthGroup] = weight;
      packed.max_weight = std::max<int64_t>(packed.max_weight, std::abs(int{weight}));
    }
  }
  packed.wide = HasWidePair(data, size, max_code);
  return packed;
}

AlignedBuffer PackDepthwiseWeights(const ir::Weights& weights) {
  const int64_t padded = RoundUp(weights.rows, kColumnBlock);
  AlignedBuffer packed(AllocationSize(weights.row_length * padded));
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t tap = 0; tap < weights.row_length; ++tap) {
      packed.as<int8_t>()[tap * padded + row] = weights.values[static_cast<size_t>(row * weights.row_length + tap)];
    }
  }
  return packed;
}

}  // namespace msq::cpu
