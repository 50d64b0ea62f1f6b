// ONNX file in, verified artifact out: the library behind msq-quantize.
#pragma once

#include "absl/status/statusor.h"
#include "quantizer/calibrate.h"
#include "quantizer/options.h"
#include "quantizer/report.h"

namespace msq::quantizer {

struct Quantized {
  ir::Model model;
  Report report;
};

// Errors name the file, the node or the option, and what to do. `progress` may be empty.
absl::StatusOr<Quantized> Quantize(const QuantizeOptions& options, const Progress& progress = {});

// The same after reading: a float graph as imported and real-valued samples. For callers that have them already.
absl::StatusOr<Quantized> QuantizeGraph(FloatGraph graph, const std::vector<FloatTensor>& samples,
                                        const QuantizeOptions& options, const Progress& progress = {});

}  // namespace msq::quantizer
