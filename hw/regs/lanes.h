// Where the lanes of a tile stand, as hw/rtl/msq_lane_pkg.sv says it for the hardware.
#pragma once

#include <cstdint>

namespace msq::hw {

// Positions of a tile after which the kinds of lanes come again.
constexpr int LanePeriod(int dsp_lanes, int lut_lanes) {
  const int lanes = dsp_lanes + lut_lanes;
  return lanes % 16 == 0 && 16 * dsp_lanes % lanes == 0 ? 16 : lanes;
}

// Whether a DSP lane stands there: the first ones of each period are.
constexpr bool IsDspLane(int dsp_lanes, int lut_lanes, int64_t position) {
  const int period = LanePeriod(dsp_lanes, lut_lanes);
  return position % period < period * dsp_lanes / (dsp_lanes + lut_lanes);
}

}  // namespace msq::hw
