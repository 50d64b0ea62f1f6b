// The last step: a calibrated float graph to the integer IR. All requantizer constants (N8 to N12, N14) are computed here.
#pragma once

#include "absl/status/statusor.h"
#include "quantizer/calibrate.h"

namespace msq::quantizer {

// FAILED_PRECONDITION, naming the node, when a constant does not fit its field.
absl::StatusOr<ir::Graph> Lower(const FloatGraph& graph, const Plan& plan, const Calibration& calibration);

// One entry of a requantizer from real gains: code = gain * (acc - offset) + skip_gain * (skip - skip_zero) + shift, all in
// output codes; below threshold (leaky) `low_gain` replaces `gain` and nothing else changes.
struct RequantizeGains {
  double gain = 0;
  double shift = 0;      // output codes, zero point included
  int64_t offset = 0;    // integer part of the accumulator that stands for real 0: input zero point * sum of weights
  double bias = 0;       // real bias in accumulator units: gain and low_gain apply to acc - offset + bias
  double skip_gain = 0;  // 0: no second operand
  int skip_zero_point = 0;
  bool leaky = false;
  double low_gain = 0;  // leaky only, >= 0
};
struct RequantizeEntry {
  uint32_t multiplier = 1, skip_multiplier = 0, low_multiplier = 0;
  int64_t addend = 0, low_addend = 0;
  int32_t threshold = 0;
  uint8_t shift = 0;
};
// FAILED_PRECONDITION when the gain is beyond what a 17-bit multiplier can hold.
absl::StatusOr<RequantizeEntry> MakeEntry(const RequantizeGains& gains);

}  // namespace msq::quantizer
