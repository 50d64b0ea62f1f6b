// A tile of the weight buffer as the kernels of CONV want it, all lanes beside each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_passes.h"

namespace msq::hw {

// What WEIGHTS brings of a tile: rows of beats as in DRAM, those of all ports beside each other.
struct WeightTile {
  int64_t param_rows = 0;
  int64_t weight_rows = 0;
  bool is_diagonal = false;     // a row of weights has a beat for 16 lanes
  std::vector<uint64_t> beats;  // param_rows * lanes, then those of weights
};

// Made once: its memory is used again and only grows.
class ConvLanes {
 public:
  // The first `lanes` lanes of a tile that fits the instruction.
  void Unpack(const Configuration& configuration, const ConvFields& f, std::span<const ConvPass> passes,
              const WeightTile& tile, size_t lanes);

  size_t lanes() const { return LanesOfBlocks(lanes_); }
  bool is_diagonal() const { return is_diagonal_; }
  // Of a pass of the instruction, for the kernel that the tile needs.
  const int8_t* weights(size_t pass) const { return weights_.data() + first_of_pass_[pass]; }
  LaneConstants constants() const;

 private:
  void TakeParameters(const Configuration& configuration, const ConvFields& f, const WeightTile& tile);
  // C with what the array's sums are too large by.
  void AddExcess(const Configuration& configuration, const ConvFields& f, std::span<const uint64_t> beats);
  void UnpackDiagonal(const ConvFields& f, std::span<const ConvPass> passes, std::span<const uint64_t> beats);

  size_t lanes_ = 0, tile_lanes_ = 0;  // those that are used, and all
  bool is_diagonal_ = false;
  uint64_t sp2_ = 0;  // lanes whose codes are sp2_4
  std::vector<int8_t> weights_;
  std::vector<size_t> first_of_pass_;
  std::vector<int32_t> c_, m_, n_, s_, t_, m_below_;
  std::vector<int64_t> b_, b_below_;
};

}  // namespace msq::hw
