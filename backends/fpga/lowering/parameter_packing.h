// A lane's parameter beats, and the constant C that takes away what the array's sums are off by.
#pragma once

#include <cstdint>

#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/weight_packing.h"

namespace msq::fpga {

// C of the lane whose weight rows stand in the tile from `first_row` on: pass i over the `steps` rows of block
// blocks[i].
int64_t FoldConstant(const TileBeats& tile, int64_t lane, bool is_dsp, std::span<const Pass> passes,
                     std::span<const size_t> blocks, int64_t first_row, int64_t steps);

// Rows 0 and 1 of the tile, and 2 and 3 for leaky parameters.
void PackParameters(const RowConstants& row, int64_t c, WeightCode code, bool leaky, int64_t lane, TileBeats* tile);

}  // namespace msq::fpga
