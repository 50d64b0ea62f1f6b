// Range search on a histogram: fine enough (2048 bins) that its own error is far below that of 8-bit codes.
#include "quantizer/passes/choose_range.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/numerics/edge.h"

namespace msq::quantizer {
namespace {

constexpr int kBins = 2048;
constexpr int kSteps = 48;  // candidates for each end

struct Histogram {
  std::vector<float> centers;
  std::vector<float> counts;
};

Histogram MakeHistogram(std::span<const float> samples, float low, float high) {
  Histogram histogram{std::vector<float>(kBins), std::vector<float>(kBins, 0.0f)};
  const float width = (high - low) / kBins;
  for (int i = 0; i < kBins; ++i) histogram.centers[i] = low + (static_cast<float>(i) + 0.5f) * width;
  for (float value : samples) {
    const int bin = static_cast<int>(std::clamp((value - low) / width, 0.0f, kBins - 1.0f));
    if (value != 0.0f) histogram.counts[bin] += 1.0f;  // zero is exact in every range
  }
  return histogram;
}

double SquaredError(const Histogram& histogram, const CodeRange& range) {
  double error = 0;
  for (int i = 0; i < kBins; ++i) {
    if (histogram.counts[i] == 0) continue;
    const float difference = histogram.centers[i] - range.Round(histogram.centers[i]);
    error += static_cast<double>(histogram.counts[i]) * difference * difference;
  }
  return error;
}

CodeRange LeastSquares(std::span<const float> samples, float low, float high, int bits) {
  const Histogram histogram = MakeHistogram(samples, low, high);
  CodeRange best = CoverRange(low, high, bits);
  double best_error = SquaredError(histogram, best);
  const int low_steps = low < 0 ? kSteps : 1;
  for (int i = 0; i < low_steps; ++i) {
    for (int k = 0; k < kSteps; ++k) {
      const float cut_low = low * (1.0f - static_cast<float>(i) / kSteps);
      const float cut_high = high * (1.0f - static_cast<float>(k) / kSteps);
      const CodeRange candidate = CoverRange(cut_low, cut_high, bits);
      const double error = SquaredError(histogram, candidate);
      if (error < best_error) best = candidate, best_error = error;
    }
  }
  return best;
}

CodeRange Percentile(std::span<const float> samples, float low, float high, int bits, double percentile) {
  std::vector<float> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const double tail = (100.0 - percentile) / 100.0 * static_cast<double>(sorted.size() - 1);
  const auto cut = static_cast<size_t>(tail);
  const float from = low < 0 ? sorted[cut] : low, to = sorted[sorted.size() - 1 - cut];
  return CoverRange(std::max(low, from), std::min(high, to), bits);
}

}  // namespace

float CodeRange::Round(float value) const {
  return numerics::DequantizeCode(numerics::QuantizeReal(value, scale, zero_point, bits), scale, zero_point);
}

CodeRange CoverRange(float low, float high, int bits) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  const auto codes = static_cast<float>((1 << bits) - 1);
  CodeRange range;
  range.bits = bits;
  range.scale = std::max((high - low) / codes, 1e-20f);  // a tensor of zeros keeps a valid scale
  range.zero_point = static_cast<int>(std::clamp(std::floor(-low / range.scale + 0.5f), 0.0f, codes));
  return range;
}

CodeRange ChooseRange(std::span<const float> samples, float low, float high, int bits, RangeMethod method,
                      double percentile) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  if (samples.empty() || !(high - low > 1e-12f)) return CoverRange(low, high, bits);
  return method == RangeMethod::kMse ? LeastSquares(samples, low, high, bits)
                                     : Percentile(samples, low, high, bits, percentile);
}

}  // namespace msq::quantizer
