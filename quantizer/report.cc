// Formatting only; the numbers come from the artifact's provenance.
#include "quantizer/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace msq::quantizer {
namespace {

std::string SchemeShares(const ir::LayerRecord& layer) {
  int64_t rows = 0;
  for (int64_t count : layer.rows_by_scheme) rows += count;
  std::string text;
  for (int s = 0; s < numerics::kSchemeCount; ++s) {
    const int64_t count = layer.rows_by_scheme[s];
    if (count == 0) continue;
    if (!text.empty()) text += " ";
    text += count == rows ? std::string(numerics::SchemeName(static_cast<numerics::Scheme>(s)))
                          : absl::StrFormat("%s %.0f%%", numerics::SchemeName(static_cast<numerics::Scheme>(s)),
                                            100.0 * static_cast<double>(count) / rows);
  }
  return text;
}

}  // namespace

std::string ReportText(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes) {
  size_t width = 5;
  for (const ir::LayerRecord& layer : model.provenance.layers)
    width = std::max(width, std::min<size_t>(layer.node.size(), 48));
  const int w = static_cast<int>(width);
  std::string text = absl::StrFormat("%-*s %9s  %-22s %11s %11s %9s\n", w, "layer", "weights", "schemes", "distortion",
                                     "saturation", "bytes");
  int64_t weights = 0, bytes = 0;
  for (const ir::LayerRecord& layer : model.provenance.layers) {
    const bool is_long = layer.node.size() > width;
    const std::string name = is_long ? ".." + layer.node.substr(layer.node.size() - width + 2) : layer.node;
    text += absl::StrFormat("%-*s %9d  %-22s %10.2f%% %10.2f%% %9d\n", w, name, layer.weights, SchemeShares(layer),
                            100 * layer.weight_distortion, 100 * layer.activation_saturation, layer.bytes);
    weights += layer.weights;
    bytes += layer.bytes;
  }
  text += absl::StrFormat("%-*s %9d  %-22s %11s %11s %9d\n", w, "total", weights, "", "", "", bytes);
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  text += absl::StrFormat("agrees with the float network on %.1f %% of %d calibration samples\n",
                          100 * report.agreement, report.samples);
  if (report.float_accuracy) {
    text += absl::StrFormat("float network: %d images, top-1 %.2f %%, top-5 %.2f %%\n", report.float_accuracy->images,
                            100 * report.float_accuracy->top1, 100 * report.float_accuracy->top5);
  }
  text +=
      absl::StrFormat("%s: %d bytes, %.1f times smaller than the float weights\n", artifact, artifact_bytes,
                      4.0 * static_cast<double>(weights) / static_cast<double>(std::max<size_t>(artifact_bytes, 1)));
  return text;
}

std::string ReportJson(const ir::Model& model, const Report& report, const std::string& artifact,
                       size_t artifact_bytes) {
  nlohmann::ordered_json json;
  json["artifact"] = artifact;
  json["bytes"] = artifact_bytes;
  json["agreement"] = report.agreement;
  json["samples"] = report.samples;
  json["source"] = model.provenance.source;
  json["source_sha256"] = model.provenance.source_sha256;
  json["settings"] = model.provenance.settings;
  json["layers"] = nlohmann::ordered_json::array();
  for (const ir::LayerRecord& layer : model.provenance.layers) {
    nlohmann::ordered_json schemes = nlohmann::ordered_json::object();
    for (int s = 0; s < numerics::kSchemeCount; ++s) {
      if (layer.rows_by_scheme[s] > 0)
        schemes[numerics::SchemeName(static_cast<numerics::Scheme>(s))] = layer.rows_by_scheme[s];
    }
    json["layers"].push_back({{"name", layer.node},
                              {"weights", layer.weights},
                              {"schemes", schemes},
                              {"distortion", layer.weight_distortion},
                              {"saturation", layer.activation_saturation},
                              {"bytes", layer.bytes}});
  }
  if (report.float_accuracy) {
    json["float"] = {{"images", report.float_accuracy->images},
                     {"top1", report.float_accuracy->top1},
                     {"top5", report.float_accuracy->top5}};
  }
  json["notes"] = report.notes;
  // Names come from files: bytes that are no UTF-8 are replaced, never thrown over.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace msq::quantizer
