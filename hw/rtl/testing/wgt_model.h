// Random weight streams in DRAM, and what the weight buffer has to make of them: rows, pairs of DSP lanes, parameters.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "hw/regs/lanes.h"
#include "hw/sim/axi_memory.h"
#include "model/numerics/scheme.h"

namespace msq::hw {

struct WgtShape {
  int f, s, ports;
  int lanes() const { return f + s; }
  // Positions of DSP lanes, or of LUT lanes.
  std::vector<int> positions(bool dsp) const {
    std::vector<int> found;
    for (int l = 0; l < lanes(); ++l) {
      if (IsDspLane(f, s, l) == dsp) found.push_back(l);
    }
    return found;
  }
};

struct WgtTile {
  std::vector<std::vector<uint64_t>> params;  // [row][lane]
  std::vector<std::vector<uint64_t>> rows;    // [row][lane]

  bool Sp2(int lane) const { return (params[1][static_cast<size_t>(lane)] >> 47 & 1) != 0; }

  // The 5-bit weight n of a lane of row r.
  int Weight(int r, int lane, int n, const WgtShape& shape) const {
    const auto code = static_cast<uint8_t>(rows[static_cast<size_t>(r)][static_cast<size_t>(lane)] >> (4 * n) & 15);
    const bool sp2 = !IsDspLane(shape.f, shape.s, lane) || Sp2(lane);
    if (!sp2) return code >= 8 ? code - 16 : code;
    const int e1 = code >> 1 & 3, e2 = code & 1;
    const int magnitude = numerics::kSp2First[static_cast<size_t>(e1)] + numerics::kSp2Second[static_cast<size_t>(e2)];
    return (code & 8) != 0 ? -magnitude : magnitude;
  }

  // The 10-bit field of a pair: the sum w1 * 32 + w0 as the packed multiplier has it, cut at bit 5.
  uint32_t Field(int r, int pair, int n, const WgtShape& shape) const {
    const int position = shape.positions(true)[2 * static_cast<size_t>(pair)];
    const int low = Weight(r, position, n, shape), high = Weight(r, position + 1, n, shape);
    return static_cast<uint32_t>(high * 32 + low) & 1023;
  }
};

struct WgtInstruction {
  uint64_t dram = 0;
  uint64_t port_stride = 0;
  int param_rows = 2;
  bool diagonal = false;
  std::vector<WgtTile> tiles;
};

// A random instruction whose streams lie at `dram` in the memory; `end` gives the first address behind them.
inline WgtInstruction RandomWgtInstruction(const WgtShape& shape, int tiles, int param_rows, int rows, bool diagonal,
                                           uint64_t dram, std::mt19937_64& random, AxiMemory& memory, uint64_t* end) {
  WgtInstruction instruction;
  instruction.dram = dram;
  instruction.param_rows = param_rows;
  instruction.diagonal = diagonal;
  const int port_lanes = shape.lanes() / shape.ports;
  const int port_beats = tiles * (param_rows * port_lanes + rows * port_lanes / (diagonal ? 16 : 1));
  const uint64_t port_bytes = static_cast<uint64_t>((port_beats + 15) / 16) * 128;
  instruction.port_stride = port_bytes + 128 * (random() % 3);
  const auto random_row = [&] {
    std::vector<uint64_t> row(static_cast<size_t>(shape.lanes()));
    for (uint64_t& beat : row) beat = random();
    return row;
  };
  for (int t = 0; t < tiles; ++t) {
    WgtTile tile;
    for (int r = 0; r < param_rows; ++r) tile.params.push_back(random_row());
    for (int r = 0; r < rows; ++r) {
      tile.rows.push_back(random_row());
      for (size_t l = 0; diagonal && l < tile.rows.back().size(); ++l)
        tile.rows.back()[l] &= uint64_t{15} << (4 * (l % 16));
    }
    instruction.tiles.push_back(tile);
  }
  for (int p = 0; p < shape.ports; ++p) {
    uint64_t address = dram + static_cast<uint64_t>(p) * instruction.port_stride;
    for (const WgtTile& tile : instruction.tiles) {
      for (const auto* part : {&tile.params, &tile.rows}) {
        for (const std::vector<uint64_t>& row : *part) {
          const int beat_lanes = diagonal && part == &tile.rows ? 16 : 1;
          for (int l = p * port_lanes; l < (p + 1) * port_lanes; l += beat_lanes, address += 8) {
            uint64_t beat = 0;
            for (int k = 0; k < beat_lanes; ++k) beat |= row[static_cast<size_t>(l + k)];
            memory.Write64(address, beat);
          }
        }
      }
    }
  }
  *end = dram + static_cast<uint64_t>(shape.ports) * instruction.port_stride;
  return instruction;
}

}  // namespace msq::hw
