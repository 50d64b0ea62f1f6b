// The quantizer's own view of a network: a small float graph between the ONNX importer and the integer IR. Shapes are those
// of one sample, as in the IR. Passes rewrite it in place; it is in topological order at all times.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "model/ir/graph.h"
#include "model/ir/model.h"

namespace msq::quantizer {

using ValueId = int32_t;  // index into FloatGraph::values

// Relu, Clip and leaky Relu in one form: y = v >= 0 ? min(v, high) : max(slope * v, low). The default does nothing.
struct Activation {
  float slope = 1.0f;                                   // >= 0
  float low = -std::numeric_limits<float>::infinity();  // <= 0
  float high = std::numeric_limits<float>::infinity();  // >= 0

  bool is_identity() const { return slope == 1.0f && !has_bounds(); }
  bool has_bounds() const { return low > -std::numeric_limits<float>::infinity() || has_high(); }
  bool has_high() const { return high < std::numeric_limits<float>::infinity(); }
  bool is_leaky() const { return slope != 1.0f && slope != 0.0f; }
  float operator()(float v) const { return v >= 0 ? (v < high ? v : high) : (slope * v > low ? slope * v : low); }
};
// The activation "first, then second".
Activation Compose(const Activation& first, const Activation& second);

// Whether every value is a number that float arithmetic can square and add up.
bool AllModerate(std::span<const float> values);
inline constexpr float kLargestModerate = 1e15f;

// y = scale[c] * x + shift[c], c along the first dimension.
struct Affine {
  std::vector<float> scale;
  std::vector<float> shift;
};

// Conv and Gemm/MatMul: post(activation(W x + bias + skip)), the skip being an optional second input.
struct Linear {
  bool dense = false;  // [K] -> [rows]; else [C,H,W] -> [rows,H',W'] by `window`
  ir::Window window;
  int64_t groups = 1;
  int64_t rows = 0;
  int64_t row_length = 0;
  std::vector<float> weights;  // [rows * row_length]
  std::vector<float> bias;     // [rows]
  Activation activation;
  std::optional<Affine> post;  // never together with a skip or an upper bound
  // Names under which a user may mean this layer: the ONNX node and its weights.
  std::vector<std::string> aliases;

  bool is_depthwise() const { return !dense && groups > 1 && row_length == window.kernel[0] * window.kernel[1]; }
};

struct Sum {
  Activation activation;
};

using FloatOp = std::variant<Linear, Affine, Sum, Activation, ir::MaxPool, ir::AveragePool, ir::GlobalAveragePool,
                             ir::Concat, ir::ResizeNearest, ir::Reshape, ir::Pad, ir::Slice>;

// What a message calls the operator: "Conv", "Dense", "Add", ...
std::string OpName(const FloatOp& op);

struct Value {
  std::string name;
  ir::Shape shape;
};

struct FloatNode {
  std::string name;
  FloatOp op;
  std::vector<ValueId> inputs;
  ValueId output = -1;
};

struct FloatGraph {
  std::string name;
  std::vector<Value> values;
  std::vector<FloatNode> nodes;
  ValueId input = -1;
  ir::InputDescription::Layout input_layout = ir::InputDescription::Layout::kAsGraph;
  std::vector<ValueId> outputs;
  std::vector<std::string> notes;  // what the importer and the passes want the user to know

  const ir::Shape& shape(ValueId value) const { return values[value].shape; }
  bool is_output(ValueId value) const;
  // Nodes that read `value`, counting a node once for each time it reads it, plus one if it is a graph output.
  int UseCount(ValueId value) const;
  // Index of the node that writes `value`, or -1 for the input.
  int ProducerOf(ValueId value) const;
  // Makes every reader of `from`, and the graph's outputs, read `to`.
  void ReplaceUses(ValueId from, ValueId to);
  // Drops nodes whose output nobody reads.
  void RemoveDeadNodes();
};

}  // namespace msq::quantizer
