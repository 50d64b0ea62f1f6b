#include "hw/sim/tile_engines.h"

#include <cstring>
#include <variant>

namespace msq::hw {

std::vector<TileEngines> EnginesOfTiles(const Configuration& configuration, const std::vector<AnyFields>& instructions,
                                        std::span<const std::byte> dram, uint64_t base) {
  const int64_t lanes = configuration.lanes(), port_lanes = lanes / configuration.ports;
  std::vector<TileEngines> all;
  for (const AnyFields& fields : instructions) {
    const auto* f = std::get_if<WeightsFields>(&fields);
    if (f == nullptr) continue;
    const int64_t row_beats = f->diagonal ? port_lanes / 16 : port_lanes;
    const int64_t tile_beats = f->param_rows * port_lanes + f->weight_rows * row_beats;
    for (int64_t t = 0; t < f->tiles; ++t) {
      TileEngines& tile = all.emplace_back();
      for (int64_t lane = 0; lane < lanes && !(tile.dsp && tile.lut); ++lane) {
        const int64_t address = f->dram + lane / port_lanes * f->port_stride + 8 * (t * tile_beats + lane % port_lanes);
        const uint64_t at = static_cast<uint64_t>(address) - base;
        uint32_t multiplier;
        if (at >= dram.size() || dram.size() - at < sizeof(multiplier)) continue;
        std::memcpy(&multiplier, dram.data() + at, sizeof(multiplier));
        (configuration.is_dsp(lane) ? tile.dsp : tile.lut) |= (multiplier & 0x1ffff) != 0;
      }
    }
  }
  return all;
}

}  // namespace msq::hw
