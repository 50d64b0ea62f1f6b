// Weights as 4-bit codes: which digits, in which passes, in which beats of the tiles' streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/fpga/lowering/conv_job.h"
#include "backends/fpga/lowering/weight_digits.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

// How a layer's weights are written: all rows in as many digits, since all lanes make the same passes.
struct WeightCoding {
  DigitShape shape;
  std::vector<WeightCode> codes;  // [rows]
};
// The cheapest one. `slots` are those of the output.
WeightCoding ChooseCoding(const TapWeights& weights, std::span<const int64_t> slots,
                          const hw::Configuration& configuration);

// Whether a DSP lane holds the row in one pass where a LUT lane does not.
bool NeedsDsp(std::span<const int8_t> row);

// One pass over a window.
struct Pass {
  size_t digit;     // whose weight rows it takes
  bool high_plane;  // of the activations
  bool shift;       // the sum so far counts 16-fold
};
std::vector<Pass> PassesOf(DigitShape shape, int input_bits);

// The beats of a tile, row by row; a row has one beat a lane.
class TileBeats {
 public:
  TileBeats(int64_t rows, int64_t lanes) : lanes_(lanes), beats_(static_cast<size_t>(rows * lanes)) {}
  uint64_t& At(int64_t row, int64_t lane) { return beats_[static_cast<size_t>(row * lanes_ + lane)]; }
  uint64_t At(int64_t row, int64_t lane) const { return beats_[static_cast<size_t>(row * lanes_ + lane)]; }
  int64_t lanes() const { return lanes_; }
  int64_t rows() const { return static_cast<int64_t>(beats_.size()) / lanes_; }

 private:
  int64_t lanes_;
  std::vector<uint64_t> beats_;
};

// Writes weight row `row` of the job, digit by digit of `digits` (indices in order of appearance), into rows
// `first_row`.. of the tile's lane.
void PackWeights(const TapWeights& weights, int64_t row, const WeightCoding& coding, std::span<const size_t> digits,
                 int64_t first_row, int64_t lane, TileBeats* tile);

// The tiles as one stream a port. Rows from `param_rows` on are written as diagonals where they all are.
struct PortStreams {
  std::vector<std::byte> bytes;
  int64_t port_stride = 0;
  bool diagonal = false;
};
PortStreams SplitIntoPorts(std::span<const TileBeats> tiles, int64_t param_rows,
                           const hw::Configuration& configuration);

}  // namespace msq::fpga
