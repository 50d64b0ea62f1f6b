// From the values that a tensor takes on the calibration set to the range that its codes cover.
#pragma once

#include <span>

#include "quantizer/options.h"

namespace msq::quantizer {

// real = scale * (code - zero_point), code in 0..2^bits - 1 (N1).
struct CodeRange {
  int bits = 4;
  float scale = 1.0f;
  int zero_point = 0;

  float Low() const { return scale * static_cast<float>(-zero_point); }
  float High() const { return scale * static_cast<float>((1 << bits) - 1 - zero_point); }
  // The nearest real value that has a code.
  float Round(float value) const;
};

// The codes that cover [low, high] (which is widened to contain 0).
CodeRange CoverRange(float low, float high, int bits);

// `samples` are values of the tensor, all finite, `low` and `high` their extremes and bounds of the result.
CodeRange ChooseRange(std::span<const float> samples, float low, float high, int bits, RangeMethod method,
                      double percentile);

}  // namespace msq::quantizer
