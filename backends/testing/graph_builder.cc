#include "backends/testing/graph_builder.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/ir/shape_inference.h"
#include "model/testing/sample_model.h"

namespace msq::testing {
namespace {

bool MovesCodes(const ir::Op& op) {
  return std::holds_alternative<ir::MaxPool>(op) || std::holds_alternative<ir::Concat>(op) ||
         std::holds_alternative<ir::ResizeNearest>(op) || std::holds_alternative<ir::Reshape>(op) ||
         std::holds_alternative<ir::Pad>(op) || std::holds_alternative<ir::Slice>(op);
}

bool IsRaw(const ir::Op& op) {
  const auto raw = [](const auto& layer) { return std::holds_alternative<ir::RawOutput>(layer.epilogue); };
  if (const auto* conv = std::get_if<ir::Conv>(&op)) return raw(*conv);
  const auto* dense = std::get_if<ir::Dense>(&op);
  return dense != nullptr && raw(*dense);
}

ir::Epilogue EpilogueOf(const Layer& layer, int64_t rows, bool has_skip) {
  if (layer.raw) {
    ir::RawOutput raw;
    for (int64_t row = 0; row < rows; ++row) raw.biases.push_back(static_cast<int32_t>(row * 37 % 1001 - 500));
    return raw;
  }
  ir::Requantizer requantizer = UniformRequantizer(static_cast<size_t>(rows), layer.scale, layer.addend);
  if (has_skip) requantizer.skip_multipliers = requantizer.multipliers;
  if (has_skip && layer.skip > 0) requantizer.skip_multipliers.assign(static_cast<size_t>(rows), layer.skip);
  return requantizer;
}

ir::TensorType TypeOf(ir::Shape shape, Codes codes) {
  ir::TensorType type;
  type.shape = std::move(shape);
  type.bits = codes.bits;
  type.zero_point = codes.zero_point;
  return type;
}

}  // namespace

ir::TensorId GraphBuilder::AddTensor(ir::TensorType type) {
  graph_.tensors.push_back({absl::StrCat("t", graph_.tensors.size()), std::move(type)});
  return static_cast<ir::TensorId>(graph_.tensors.size() - 1);
}

ir::TensorId GraphBuilder::Input(ir::Shape shape, Codes codes) {
  graph_.inputs.push_back(AddTensor(TypeOf(std::move(shape), codes)));
  return graph_.inputs.back();
}

ir::TensorId GraphBuilder::Add(ir::Op op, std::vector<ir::TensorId> inputs, Codes codes, const ir::Shape& shape) {
  std::vector<ir::Shape> shapes;
  for (const ir::TensorId id : inputs) shapes.push_back(Shape(id));
  auto inferred = ir::InferShape(op, shapes, shape);
  MSQ_CHECK(inferred.ok());
  ir::TensorType type = TypeOf(*std::move(inferred), codes);
  if (MovesCodes(op)) {
    type.bits = Type(inputs[0]).bits;
    type.zero_point = Type(inputs[0]).zero_point;
  }
  if (IsRaw(op)) {
    type.kind = ir::TensorType::Kind::kAccumulator;
    type.row_scales.assign(static_cast<size_t>(type.shape[0]), 1.0f);
  }
  const ir::TensorId output = AddTensor(std::move(type));
  graph_.nodes.push_back({absl::StrCat("n", graph_.nodes.size()), std::move(op), std::move(inputs), output});
  return output;
}

ir::TensorId GraphBuilder::Conv(std::vector<ir::TensorId> inputs, int64_t rows, const Layer& layer, Codes codes) {
  ir::Conv op;
  op.window = layer.window;
  op.groups = layer.groups;
  const int64_t taps = Shape(inputs[0])[0] / layer.groups * layer.window.kernel[0] * layer.window.kernel[1];
  op.weights = PatternWeights(rows, taps, layer.schemes, layer.seed);
  op.epilogue = EpilogueOf(layer, rows, inputs.size() > 1);
  return Add(std::move(op), std::move(inputs), codes);
}

ir::TensorId GraphBuilder::Dense(std::vector<ir::TensorId> inputs, int64_t rows, const Layer& layer, Codes codes) {
  ir::Dense op;
  op.weights = PatternWeights(rows, Shape(inputs[0])[0], layer.schemes, layer.seed);
  op.epilogue = EpilogueOf(layer, rows, inputs.size() > 1);
  return Add(std::move(op), std::move(inputs), codes);
}

ir::Graph GraphBuilder::Finish(std::vector<ir::TensorId> outputs) && {
  graph_.outputs = std::move(outputs);
  return std::move(graph_);
}

}  // namespace msq::testing
