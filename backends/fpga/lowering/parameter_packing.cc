#include "backends/fpga/lowering/parameter_packing.h"

#include <bit>

#include "model/numerics/requantize.h"

namespace msq::fpga {
namespace {

constexpr int64_t kLutNegative = 123;                // a LUT lane's sum is off by this for each negative weight
constexpr int64_t kDspStep = 2048;                   // a DSP lane's by this for each step
constexpr uint64_t kSignBits = 0x8888888888888888u;  // of a weight beat
constexpr int64_t kModulus = 2 * numerics::kAccumulatorLimit;  // of the accumulators

uint64_t Bits(int64_t value, int lsb, int width) {
  return (static_cast<uint64_t>(value) & ((uint64_t{1} << width) - 1)) << lsb;
}

}  // namespace

int64_t FoldConstant(const TileBeats& tile, int64_t lane, bool is_dsp, std::span<const Pass> passes,
                     std::span<const size_t> blocks, int64_t first_row, int64_t steps) {
  int64_t excess = 0;
  for (size_t pass = 0; pass < passes.size(); ++pass) {
    if (passes[pass].shift) excess = excess * 16 % kModulus;
    if (is_dsp) {
      excess += kDspStep * steps;
      continue;
    }
    const int64_t begin = first_row + static_cast<int64_t>(blocks[pass]) * steps;
    for (int64_t row = begin; row < begin + steps; ++row) {
      excess += kLutNegative * std::popcount(tile.At(row, lane) & kSignBits);
    }
  }
  return -(excess % kModulus);
}

void PackParameters(const RowConstants& row, int64_t c, WeightCode code, bool leaky, int64_t lane, TileBeats* tile) {
  tile->At(0, lane) = Bits(row.m, 0, 17) | Bits(row.s, 17, 6) | Bits(c, 23, 24) | Bits(row.n, 47, 17);
  tile->At(1, lane) = Bits(row.b, 0, 47) | Bits(code == WeightCode::kSp2 ? 1 : 0, 47, 1);
  if (!leaky) return;
  tile->At(2, lane) = Bits(row.t, 0, 24) | Bits(row.m_below, 24, 17);
  tile->At(3, lane) = Bits(row.b_below, 0, 47);
}

}  // namespace msq::fpga
