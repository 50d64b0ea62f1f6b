// The float edge: real numbers to input codes, output integers to FP32. The only floating-point arithmetic that a
// served answer depends on; compiled without contraction, so its bits are the same on every machine. docs/numerics.md,
// N13, N14.
#pragma once

#include <cmath>
#include <cstdint>

#include "model/numerics/requantize.h"

namespace msq::numerics {

// N13: the code of a real number: clamp(floor(real / scale + 0.5) + zero_point, 0, 2^bits - 1). NaN becomes zero_point.
inline uint8_t QuantizeReal(float real, float scale, int zero_point, int bits) {
  const float steps = std::floor(real / scale + 0.5f);
  const float high = static_cast<float>(MaxCode(bits) - zero_point), low = static_cast<float>(-zero_point);
  if (std::isnan(steps)) return static_cast<uint8_t>(zero_point);
  const float clamped = steps < low ? low : steps > high ? high : steps;
  return static_cast<uint8_t>(static_cast<int>(clamped) + zero_point);
}

// N1: real = scale * (code - zero_point).
inline float DequantizeCode(uint8_t code, float scale, int zero_point) {
  return scale * static_cast<float>(static_cast<int>(code) - zero_point);
}

// N14: a raw output accumulator (|acc| < 2^24, exact in FP32) times its row's scale.
inline float DequantizeAccumulator(int32_t acc, float scale) {
  return static_cast<float>(acc) * scale;
}

}  // namespace msq::numerics
