// What msq-quantize tells about an artifact: per layer scheme shares, distortion, saturation and size.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/ir/model.h"
#include "quantizer/float_accuracy.h"

namespace msq::quantizer {

struct Report {
  std::vector<std::string> notes;
  double agreement = 0;  // share of calibration samples with the float network's first choice
  int samples = 0;
  std::optional<FloatAccuracy> float_accuracy;  // with --evaluate
};

// Text table for people, and one JSON object for scripts:
// {"artifact":..,"bytes":..,"agreement":..,"samples":..,"settings":{..},"layers":[{"name":..,"weights":..,"schemes":{..},
//  "distortion":..,"saturation":..,"bytes":..}],"notes":[..]}, and with --evaluate "float":{"images":..,"top1":..,"top5":..}
std::string ReportText(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes);
std::string ReportJson(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes);

}  // namespace msq::quantizer
