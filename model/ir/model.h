// What an artifact holds besides the graph: how to feed it, what its outputs mean, where it came from.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/ir/graph.h"

namespace msq::ir {

// How a request's values become input codes. The graph's own input shape is [C,H,W] (or [K]); the wire may carry an
// image as NHWC. Real value fed to the network = (value / value_range - mean[c]) / std[c].
struct InputDescription {
  enum class Layout : uint8_t { kAsGraph = 0, kNhwc = 1 };
  Layout layout = Layout::kAsGraph;  // shape that clients see: the graph's [C,H,W], or [H,W,C]
  // Normalisation of pixel inputs; all empty when values are the network's real inputs as they are.
  float value_range = 1.0f;   // 255 for images
  std::vector<float> mean;    // [C] or empty
  std::vector<float> stddev;  // [C] or empty, positive
  bool is_image() const { return !mean.empty(); }
};

struct OutputDescription {
  std::vector<std::string> labels;  // class names in index order, or empty
};

// One row of the quantizer's report, kept with the artifact.
struct LayerRecord {
  std::string node;
  int64_t weights = 0;
  int64_t rows_by_scheme[numerics::kSchemeCount] = {};  // indexed by Scheme
  double weight_distortion = 0;                         // sum (w - w^)^2 / sum w^2
  double activation_saturation = 0;                     // share of calibration values outside the output's range
  int64_t bytes = 0;                                    // packed weights and constants
};

struct Provenance {
  std::string producer;                         // program and version
  std::string source;                           // file name of the float model
  std::string source_sha256;                    // hex
  std::map<std::string, std::string> settings;  // quantizer options, calibration set and its size
  std::vector<LayerRecord> layers;
};

struct Model {
  Graph graph;
  std::vector<InputDescription> inputs;    // one per graph input
  std::vector<OutputDescription> outputs;  // one per graph output
  Provenance provenance;
};

}  // namespace msq::ir
