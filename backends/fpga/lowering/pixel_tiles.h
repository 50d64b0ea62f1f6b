// Channelwise jobs with tiles of 16 channels of several pixels, where a tile of O channels of one pixel leaves all but
// 1/O of its products unused: each group of 16 lanes computes another pixel of a row, with the same weights shifted in a
// window that is wide enough for all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/fpga/lowering/conv_job.h"
#include "hw/regs/configurations.h"
#include "model/ir/op.h"

namespace msq::fpga {

inline constexpr double kDramEfficiency = 0.95;  // words of a port a cycle, for estimates

// What a tile computes.
struct ChannelwiseTile {
  int64_t pixels = 1;    // of a row; if there are more, all of the same 16 channels
  int64_t channels = 0;  // at most
  int64_t steps = 0;     // of a pass
};

struct ChannelwiseShape {
  int64_t channels = 0;
  int64_t in_width = 0;
  int64_t rows = 0, width = 0;  // of outputs that an instruction computes
  int64_t passes = 1;           // over the input's planes
};

// The faster one.
ChannelwiseTile ChooseChannelwiseTile(const ir::Window& window, const ChannelwiseShape& shape,
                                      const hw::Configuration& configuration);

// Beats that each port brings for a tile, if outputs lie in the order of inputs and weights are diagonals (WEIGHTS).
int64_t ChannelwiseBeats(const ChannelwiseTile& tile, const hw::Configuration& configuration);

// The job as its tiles have it, job.pixels times its rows, those of one pixel after those of another; and the rows'
// slots, as if a pixel's 16 channels were channels of their own.
ConvJob SpreadOverPixels(const ConvJob& job);
std::vector<int64_t> SpreadSlots(std::span<const int64_t> slots, int64_t pixels);

}  // namespace msq::fpga
