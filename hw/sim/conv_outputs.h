// Where a CONV writes: its lanes' places among its channels, and its pixels' words.
#pragma once

#include <cstdint>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"

namespace msq::hw {

// Of a tile: the lanes that are written.
inline int64_t WrittenLanes(const Configuration& configuration, const ConvFields& f, int64_t tile) {
  return tile + 1 == f.tiles ? f.last_groups * configuration.q : configuration.lanes();
}

// Of a tile: the place of its first lane among the instruction's channels.
inline int64_t FirstSlot(const Configuration& configuration, const ConvFields& f, int64_t tile) {
  return (f.out_half ? 8 : 0) + tile * configuration.lanes();
}

// The word from which those of a pixel's channel groups lie `out_group` apart, counted over the tiles before, too.
inline int64_t OutputOf(const Configuration& configuration, const ConvFields& f, int64_t tile, int64_t pixel) {
  const auto word = [&](Address address) { return JoinAddress(address, configuration.banks); };
  int64_t out = word(f.out) + pixel * word(f.out_pixel);
  if (configuration.q != 8) {
    // Between tiles there is a step of its own instead of one from the tile's last Q channels to the next ones.
    out += tile * (word(f.out_tile) - configuration.q / 16 * word(f.out_group));
  }
  return out;
}

}  // namespace msq::hw
