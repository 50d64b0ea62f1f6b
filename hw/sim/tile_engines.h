// Which engines of the array a tile of weights gives something to do, as the busy counters see it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"

namespace msq::hw {

struct TileEngines {
  bool dsp = false, lut = false;
};

// Of every tile of the program's WEIGHTS, in order: an engine has something to do if one of its lanes has a multiplier.
// `dram` begins at address `base`; parameters outside of it count as none.
std::vector<TileEngines> EnginesOfTiles(const Configuration& configuration, const std::vector<AnyFields>& instructions,
                                        std::span<const std::byte> dram, uint64_t base);

}  // namespace msq::hw
