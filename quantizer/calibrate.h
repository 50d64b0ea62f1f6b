// Quantization on data, in two walks over the calibration set: the first collects what every tensor of the float network
// looks like and chooses the ranges; the second goes through the layers in order, feeds each with what the layers quantized
// so far really produce, and quantizes its weights and corrects its bias for those inputs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "quantizer/float_executor.h"
#include "quantizer/options.h"
#include "quantizer/passes/choose_range.h"
#include "quantizer/plan.h"

namespace msq::quantizer {

// A layer's integers and its corrected bias, in real units.
struct QuantizedLayer {
  ir::Weights weights;
  std::vector<float> bias;
  double weight_distortion = 0;  // sum (w - w^)^2 / sum w^2
};

struct Calibration {
  std::vector<CodeRange> ranges;       // by group
  std::vector<double> saturation;      // by value: share of float values outside the range
  std::vector<QuantizedLayer> layers;  // by node; empty for nodes without weights
  double agreement = 0;                // share of samples whose largest output is the float network's
  int samples = 0;                     // used in the second walk
  std::vector<std::string> notes;
};

// Called with (done, total) steps.
using Progress = std::function<void(int, int)>;

// The first walk alone: ranges and saturation. INVALID_ARGUMENT names the first value that does not stay a moderate number.
absl::Status ChooseRanges(const FloatGraph& graph, const Plan& plan, const QuantizeOptions& options,
                          const std::vector<FloatTensor>& samples, ThreadPool& pool, Calibration& result);

absl::StatusOr<Calibration> Calibrate(const FloatGraph& graph, const Plan& plan, const QuantizeOptions& options,
                                      const std::vector<FloatTensor>& samples, ThreadPool& pool,
                                      const Progress& progress);

}  // namespace msq::quantizer
