// Weights in the order in which the matrix kernels read them, padded with zeros to whole column blocks and depth groups.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.h"
#include "model/ir/op.h"

namespace msq::cpu {

// [group][block][depth_groups][kColumnBlock][kDepthGroup]; depth runs over kernel_h, kernel_w, channel (the IR's rows have
// the channel first).
struct PackedWeights {
  int64_t groups = 1;
  int64_t rows_per_group = 0;
  int64_t blocks_per_group = 0;
  int64_t depth_groups = 0;
  int64_t max_weight = 0;  // the largest magnitude
  bool wide = false;       // some pair of products may pass kNarrowPairLimit
  AlignedBuffer data;

  int64_t block_bytes() const;
  const int8_t* block(int64_t group, int64_t index) const {
    return data.as<int8_t>() + (group * blocks_per_group + index) * block_bytes();
  }
};

// `taps` = kernel_h * kernel_w; row_length = taps * channels of a group. `max_code` bounds the codes that will be multiplied.
PackedWeights PackWeights(const ir::Weights& weights, int64_t groups, int64_t taps, int64_t max_code);

// Depthwise: [taps][RoundUp(rows, kColumnBlock)]. Precondition: row_length = taps.
AlignedBuffer PackDepthwiseWeights(const ir::Weights& weights);

}  // namespace msq::cpu
