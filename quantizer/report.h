// What msq-quantize tells about an artifact: per layer scheme shares, distortion, saturation and size.
#pragma once

#include <string>
#include <vector>

#include "model/ir/model.h"

namespace msq::quantizer {

struct Report {
  std::vector<std::string> notes;
  double agreement = 0;  // share of calibration samples with the float network's first choice
  int samples = 0;
};

// Text table for people, and one JSON object for scripts:
// {"artifact":..,"bytes":..,"agreement":..,"samples":..,"settings":{..},"layers":[{"name":..,"weights":..,"schemes":{..},
//  "distortion":..,"saturation":..,"bytes":..}],"notes":[..]}
std::string ReportText(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes);
std::string ReportJson(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes);

}  // namespace msq::quantizer
