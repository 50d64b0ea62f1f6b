// docs/numerics.md on one neuron with real numbers: float weights and inputs to codes, accumulator, requantized output and
// back, each step beside the float computation that it stands for. Prints, and fails if the two disagree by over one step.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "model/numerics/edge.h"
#include "model/numerics/requantize.h"
#include "model/numerics/scheme.h"

namespace msq::numerics {
namespace {

constexpr std::array<float, 6> kWeights = {0.31f, -0.12f, 0.48f, -0.27f, 0.05f, 0.19f};
constexpr std::array<float, 6> kInputs = {0.9f, 0.2f, 1.4f, 0.6f, 1.1f, 0.0f};
constexpr float kBias = -0.1f;
constexpr float kInputScale = 0.1f, kOutputScale = 0.08f;  // N1; both tensors follow a ReLU: zero point 0

int8_t Nearest(Scheme scheme, double scaled) {
  int8_t best = 0;
  for (int code = 0; code < 16; ++code) {
    const auto value = DecodeWeight(scheme, static_cast<uint8_t>(code));
    if (value && std::abs(*value - scaled) < std::abs(best - scaled)) best = *value;
  }
  return best;
}

bool RunNeuron(const char* name, Scheme scheme) {
  const double unit = 0.48 / FullScale(scheme);  // N3: alpha is the largest weight here
  double real = kBias, real_quantized = kBias;
  int32_t acc = 0;
  std::printf("%s: unit %.4f\n", name, unit);
  for (size_t i = 0; i < kWeights.size(); ++i) {
    const int8_t w = Nearest(scheme, kWeights[i] / unit);
    const uint8_t q = QuantizeReal(kInputs[i], kInputScale, 0, 4);  // N13
    acc += w * q;                                                   // N8
    real += double{kWeights[i]} * kInputs[i];
    real_quantized += unit * w * kInputScale * q;
    std::printf("  weight %+.2f -> %+d (code %2d), input %.1f -> %2d\n", kWeights[i], w, *EncodeWeight(scheme, w),
                kInputs[i], q);
  }
  const double m = unit * kInputScale / kOutputScale;  // N10
  int exponent = 0;
  std::frexp(m, &exponent);
  const int shift = kMultiplierBits - exponent;  // M in 2^16 .. 2^17
  const auto multiplier = static_cast<uint32_t>(std::lround(std::ldexp(m, shift)));
  const int64_t addend = std::llround(std::ldexp(kBias / kOutputScale, shift)) + (int64_t{1} << (shift - 1));
  const uint8_t y = Requantize(acc, multiplier, addend, shift, 4);
  std::printf("  acc %d; y = clamp((%d * %u + %lld) >> %d) = %d -> %.3f; float %.3f, with quantized operands %.3f\n\n",
              acc, acc, multiplier, static_cast<long long>(addend), shift, y,
              double{DequantizeCode(y, kOutputScale, 0)}, real, real_quantized);
  const double clamped = std::clamp(real_quantized, 0.0, 15.0 * kOutputScale);
  return std::abs(double{DequantizeCode(y, kOutputScale, 0)} - clamped) <= 0.5 * kOutputScale + 1e-3;
}

}  // namespace
}  // namespace msq::numerics

int main() {
  const bool fixed = msq::numerics::RunNeuron("fixed4", msq::numerics::Scheme::kFixed4);
  const bool sp2 = msq::numerics::RunNeuron("sp2_4", msq::numerics::Scheme::kSp2);
  return fixed && sp2 ? 0 : 1;
}
