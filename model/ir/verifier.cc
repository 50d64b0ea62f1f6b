#include "model/ir/verifier.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <span>

#include "base/status.h"
#include "model/ir/shape_inference.h"
#include "model/numerics/requantize.h"

namespace msq::ir {
namespace {

using numerics::kAccumulatorLimit;
using numerics::kAddendLimit;
using numerics::kMaxShift;
using numerics::kMultiplierLimit;

constexpr size_t kMaxNodes = 1 << 13;
constexpr size_t kMaxPorts = 256;                        // graph inputs, graph outputs
constexpr int64_t kMaxTotalElements = int64_t{1} << 28;  // of all tensors of one sample
// Window taps and products of one sample: a ResNet-152 takes 2^34. Keeps a file of a hundred bytes from occupying a
// worker for days.
constexpr int64_t kMaxWork = int64_t{1} << 40;

absl::Status CheckLength(std::string_view what, size_t length, size_t expected) {
  if (length == expected) return absl::OkStatus();
  return InvalidArgument(absl::string_view(what.data(), what.size()), " has ", length, " entries, expected ", expected);
}

// Which of the 256 int8 values (index value + 128) a scheme can hold. Codebooks are checked row by row.
constexpr std::array<bool, 256> ValuesOf(Scheme scheme) {
  std::array<bool, 256> holds = {};
  for (int code = 0; code < (1 << numerics::CodeBits(scheme)); ++code) {
    const auto value = numerics::DecodeWeight(scheme, static_cast<uint8_t>(code));
    if (value) holds[static_cast<size_t>(*value + 128)] = true;
  }
  return holds;
}
constexpr std::array<std::array<bool, 256>, 4> kValues = {ValuesOf(Scheme::kFixed4), ValuesOf(Scheme::kSp2),
                                                          ValuesOf(Scheme::kP2), ValuesOf(Scheme::kFixed8)};

absl::Status CheckRowValues(const Weights& weights, int64_t row, std::span<const int8_t> values) {
  const Scheme scheme = weights.schemes[static_cast<size_t>(row)];
  std::array<bool, 256> holds = {};
  if (scheme == Scheme::kCodebook4) {
    const auto index = static_cast<size_t>(weights.codebook_of_row[static_cast<size_t>(row)]);
    for (int8_t value : weights.codebooks[index]) holds[static_cast<size_t>(value + 128)] = true;
  } else {
    holds = kValues[static_cast<size_t>(scheme)];
  }
  for (int8_t value : values) {
    if (!holds[static_cast<size_t>(value + 128)]) {
      return InvalidArgument("weights row ", row, ": value ", value, " is not in its scheme's set (N4)");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCodebooks(const Weights& weights) {
  for (size_t i = 0; i < weights.codebooks.size(); ++i) {
    const auto& book = weights.codebooks[i];
    if (std::set<int8_t>(book.begin(), book.end()).size() != book.size()) {
      return InvalidArgument("weights codebook ", i, " holds a value twice (N6)");
    }
  }
  const bool used = std::count(weights.schemes.begin(), weights.schemes.end(), Scheme::kCodebook4) > 0;
  MSQ_RETURN_IF_ERROR(
      CheckLength("weights codebook_of_row", weights.codebook_of_row.size(), used ? weights.schemes.size() : 0));
  for (size_t row = 0; row < weights.codebook_of_row.size(); ++row) {
    const int32_t index = weights.codebook_of_row[row];
    if (weights.schemes[row] == Scheme::kCodebook4 &&
        (index < 0 || static_cast<size_t>(index) >= weights.codebooks.size())) {
      return InvalidArgument("weights row ", row, ": codebook ", index, " does not exist");
    }
  }
  return absl::OkStatus();
}

// N8: no order of summation leaves 24 bits.
absl::Status CheckWeights(const Weights& weights, int input_bits) {
  if (weights.rows < 1 || weights.row_length < 1 || weights.rows > kMaxDimension || weights.row_length > kMaxElements) {
    return InvalidArgument("weights of ", weights.rows, " rows of ", weights.row_length, " are impossible");
  }
  const auto rows = static_cast<size_t>(weights.rows), row_length = static_cast<size_t>(weights.row_length);
  MSQ_RETURN_IF_ERROR(CheckLength("weights schemes", weights.schemes.size(), rows));
  MSQ_RETURN_IF_ERROR(CheckLength("weights alphas", weights.alphas.size(), rows));
  MSQ_RETURN_IF_ERROR(CheckLength("weights values", weights.values.size(), rows * row_length));
  for (size_t row = 0; row < rows; ++row) {
    if (static_cast<int>(weights.schemes[row]) >= numerics::kSchemeCount) {
      return InvalidArgument("weights row ", row, ": unknown scheme ", static_cast<int>(weights.schemes[row]));
    }
    if (!std::isfinite(weights.alphas[row]) || weights.alphas[row] <= 0) {
      return InvalidArgument("weights row ", row, ": alpha is not a positive number (N3)");
    }
  }
  MSQ_RETURN_IF_ERROR(CheckCodebooks(weights));
  for (size_t row = 0; row < rows; ++row) {
    const std::span values = std::span(weights.values).subspan(row * row_length, row_length);
    MSQ_RETURN_IF_ERROR(CheckRowValues(weights, static_cast<int64_t>(row), values));
    int64_t magnitude = 0;
    for (int8_t value : values) magnitude += std::abs(int{value});
    if (magnitude * numerics::MaxCode(input_bits) >= kAccumulatorLimit) {
      return InvalidArgument("weights row ", row, ": sum|w| ", magnitude, " * max code ", numerics::MaxCode(input_bits),
                             " reaches 2^23 (N8)");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMultiplier(std::string_view what, size_t i, uint32_t value, uint32_t low) {
  if (value >= low && value < kMultiplierLimit) return absl::OkStatus();
  return InvalidArgument("requantizer ", absl::string_view(what.data(), what.size()), "[", i, "] = ", value,
                         " is outside ", low, "..2^17-1 (N8)");
}

absl::Status CheckAddend(size_t i, int64_t value) {
  if (value > -kAddendLimit && value < kAddendLimit) return absl::OkStatus();
  return InvalidArgument("requantizer addend[", i, "] = ", value, " reaches 2^46 (N8)");
}

absl::Status CheckLeaky(const Requantizer::Leaky& leaky, size_t entries) {
  MSQ_RETURN_IF_ERROR(CheckLength("leaky thresholds", leaky.thresholds.size(), entries));
  MSQ_RETURN_IF_ERROR(CheckLength("leaky multipliers", leaky.multipliers.size(), entries));
  MSQ_RETURN_IF_ERROR(CheckLength("leaky addends", leaky.addends.size(), entries));
  for (size_t i = 0; i < entries; ++i) {
    MSQ_RETURN_IF_ERROR(CheckMultiplier("leaky multiplier", i, leaky.multipliers[i], 0));
    MSQ_RETURN_IF_ERROR(CheckAddend(i, leaky.addends[i]));
    if (leaky.thresholds[i] < -kAccumulatorLimit || leaky.thresholds[i] > kAccumulatorLimit) {
      return InvalidArgument("requantizer leaky threshold[", i, "] = ", leaky.thresholds[i],
                             " is outside +-2^23 (N12)");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequantizer(const Requantizer& requantizer, size_t entries, bool has_skip) {
  MSQ_RETURN_IF_ERROR(CheckLength("requantizer multipliers", requantizer.multipliers.size(), entries));
  MSQ_RETURN_IF_ERROR(CheckLength("requantizer addends", requantizer.addends.size(), entries));
  MSQ_RETURN_IF_ERROR(CheckLength("requantizer shifts", requantizer.shifts.size(), entries));
  MSQ_RETURN_IF_ERROR(
      CheckLength("requantizer skip multipliers", requantizer.skip_multipliers.size(), has_skip ? entries : 0));
  for (size_t i = 0; i < entries; ++i) {
    MSQ_RETURN_IF_ERROR(CheckMultiplier("multiplier", i, requantizer.multipliers[i], 1));
    MSQ_RETURN_IF_ERROR(CheckAddend(i, requantizer.addends[i]));
    if (requantizer.shifts[i] > kMaxShift) {
      return InvalidArgument("requantizer shift[", i, "] = ", int{requantizer.shifts[i]}, " exceeds ", kMaxShift,
                             " (N8)");
    }
    if (has_skip) MSQ_RETURN_IF_ERROR(CheckMultiplier("skip multiplier", i, requantizer.skip_multipliers[i], 1));
  }
  if (!requantizer.leaky) return absl::OkStatus();
  if (has_skip) return InvalidArgument("requantizer is leaky and has a second operand (N12)");
  return CheckLeaky(*requantizer.leaky, entries);
}

bool SameCodes(const TensorType& a, const TensorType& b) {
  return a.kind == b.kind && a.bits == b.bits && a.scale == b.scale && a.zero_point == b.zero_point;
}

// What a node demands of its tensors' types; shapes have been checked.
struct TypeCheck {
  std::span<const TensorType* const> in;
  const TensorType& out;

  absl::Status Same() const {
    for (size_t i = 0; i < in.size(); ++i) {
      if (!SameCodes(*in[i], out))
        return InvalidArgument("input ", i, " and the output differ in bits, scale or zero point");
    }
    return absl::OkStatus();
  }
  absl::Status OutputIs(TensorType::Kind kind) const {
    if (out.kind == kind) return absl::OkStatus();
    return InvalidArgument("output must hold ", kind == TensorType::Kind::kCode ? "codes" : "accumulators");
  }
  absl::Status Requantized(const Requantizer& requantizer, size_t entries) const {
    MSQ_RETURN_IF_ERROR(OutputIs(TensorType::Kind::kCode));
    return CheckRequantizer(requantizer, entries, in.size() == 2);
  }
  absl::Status Pooled(int64_t taps) const {
    if (taps < kAccumulatorLimit / numerics::MaxCode(in[0]->bits)) return absl::OkStatus();
    return InvalidArgument("a sum of ", taps, " codes may reach 2^23 (N8)");
  }
  absl::Status Weighted(const Weights& weights, const Epilogue& epilogue) const {
    MSQ_RETURN_IF_ERROR(CheckWeights(weights, in[0]->bits));
    const auto rows = static_cast<size_t>(weights.rows);
    if (const auto* requantizer = std::get_if<Requantizer>(&epilogue)) return Requantized(*requantizer, rows);
    MSQ_RETURN_IF_ERROR(OutputIs(TensorType::Kind::kAccumulator));
    if (in.size() == 2) return InvalidArgument("a raw output takes no second operand");
    const RawOutput& raw = std::get<RawOutput>(epilogue);
    MSQ_RETURN_IF_ERROR(CheckLength("raw output biases", raw.biases.size(), rows));
    for (size_t i = 0; i < rows; ++i) {
      if (std::abs(int64_t{raw.biases[i]}) >= kAccumulatorLimit) {
        return InvalidArgument("raw output bias[", i, "] = ", raw.biases[i], " reaches 2^23 (N14)");
      }
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const Conv& op) const { return Weighted(op.weights, op.epilogue); }
  absl::Status operator()(const Dense& op) const { return Weighted(op.weights, op.epilogue); }
  absl::Status operator()(const Add& op) const { return Requantized(op.requantizer, 1); }
  absl::Status operator()(const Rescale& op) const {
    const auto channels = static_cast<size_t>(in[0]->shape[0]);
    return Requantized(op.requantizer, op.requantizer.multipliers.size() == channels ? channels : 1);
  }
  absl::Status operator()(const AveragePool& op) const {
    const int64_t taps = op.window.kernel[0] * op.window.kernel[1];
    MSQ_RETURN_IF_ERROR(Pooled(taps));
    return Requantized(op.requantizer, op.count_include_pad ? 1 : static_cast<size_t>(taps));
  }
  absl::Status operator()(const GlobalAveragePool& op) const {
    MSQ_RETURN_IF_ERROR(Pooled(in[0]->shape[1] * in[0]->shape[2]));
    return Requantized(op.requantizer, 1);
  }
  absl::Status operator()(const MaxPool&) const { return Same(); }
  absl::Status operator()(const Concat&) const { return Same(); }
  absl::Status operator()(const ResizeNearest&) const { return Same(); }
  absl::Status operator()(const Reshape&) const { return Same(); }
  absl::Status operator()(const Pad&) const { return Same(); }
  absl::Status operator()(const Slice&) const { return Same(); }
  absl::Status operator()(const Recurrent& op) const {
    MSQ_RETURN_IF_ERROR(OutputIs(TensorType::Kind::kCode));
    if (op.cell_fraction_bits < 0 || op.cell_fraction_bits > 15) {
      return InvalidArgument("cell_fraction_bits ", op.cell_fraction_bits, " is outside 0..15");
    }
    MSQ_RETURN_IF_ERROR(WithContext(CheckWeights(op.input_weights, in[0]->bits), "input"));
    return WithContext(CheckWeights(op.recurrent_weights, out.bits), "recurrent");
  }
};

absl::Status CheckType(const TensorType& type) {
  MSQ_RETURN_IF_ERROR(CheckShape(type.shape));
  switch (type.kind) {
    case TensorType::Kind::kCode:
      if (type.bits != 4 && type.bits != 8) return InvalidArgument("has ", type.bits, " bits, 4 or 8 are supported");
      if (type.zero_point < 0 || type.zero_point > numerics::MaxCode(type.bits)) {
        return InvalidArgument("zero point ", type.zero_point, " is no ", type.bits, "-bit code");
      }
      if (!std::isnormal(type.scale) || type.scale < 0) return InvalidArgument("scale is not a positive number");
      return absl::OkStatus();
    case TensorType::Kind::kAccumulator:
      MSQ_RETURN_IF_ERROR(CheckLength("row_scales", type.row_scales.size(), static_cast<size_t>(type.shape[0])));
      for (float scale : type.row_scales) {
        if (!std::isfinite(scale) || scale <= 0) return InvalidArgument("a row scale is not a positive number");
      }
      return absl::OkStatus();
  }
  return InvalidArgument("unknown kind ", static_cast<int>(type.kind));
}

// Taps that one output element of the node visits.
int64_t TapsPerOutput(const Op& op) {
  const auto area = [](const Window& window) { return window.kernel[0] * window.kernel[1]; };
  if (const auto* conv = std::get_if<Conv>(&op)) return conv->weights.row_length;
  if (const auto* dense = std::get_if<Dense>(&op)) return dense->weights.row_length;
  if (const auto* pool = std::get_if<MaxPool>(&op)) return area(pool->window);
  if (const auto* pool = std::get_if<AveragePool>(&op)) return area(pool->window);
  return 1;
}

// Walks the graph once; `ready_` marks tensors whose values exist at that point.
class GraphVerifier {
 public:
  explicit GraphVerifier(const Graph& graph) : graph_(graph), ready_(graph.tensors.size(), false) {}

  absl::Status Run() {
    if (graph_.nodes.size() > kMaxNodes || graph_.tensors.size() > 2 * kMaxNodes) {
      return InvalidArgument("nodes: ", graph_.nodes.size(), ", and ", graph_.tensors.size(), " tensors, are too many");
    }
    if (graph_.inputs.size() > kMaxPorts || graph_.outputs.size() > kMaxPorts) {
      return InvalidArgument("inputs: ", graph_.inputs.size(), ", and ", graph_.outputs.size(),
                             " outputs, are too many");
    }
    MSQ_RETURN_IF_ERROR(CheckTensors());
    MSQ_RETURN_IF_ERROR(CheckInputs());
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      MSQ_RETURN_IF_ERROR(WithContext(CheckNode(node), "nodes[", i, "] '", node.name, "'"));
    }
    return CheckOutputs();
  }

 private:
  absl::StatusOr<size_t> Index(TensorId id) const {
    if (id < 0 || static_cast<size_t>(id) >= graph_.tensors.size())
      return InvalidArgument("tensor ", id, " does not exist");
    return static_cast<size_t>(id);
  }

  absl::Status CheckTensors() {
    int64_t total = 0;
    for (size_t i = 0; i < graph_.tensors.size(); ++i) {
      const Tensor& tensor = graph_.tensors[i];
      MSQ_RETURN_IF_ERROR(WithContext(CheckType(tensor.type), "tensors[", i, "] '", tensor.name, "'"));
      total += ElementCount(tensor.type.shape);
    }
    if (total > kMaxTotalElements)
      return InvalidArgument("tensors: ", total, " elements in all exceed ", kMaxTotalElements);
    return absl::OkStatus();
  }

  absl::Status CheckInputs() {
    if (graph_.inputs.empty()) return InvalidArgument("inputs: there is none");
    std::set<std::string_view> names;
    for (TensorId id : graph_.inputs) {
      auto index = Index(id);
      if (!index.ok()) return WithContext(index.status(), "inputs");
      const Tensor& tensor = graph_.tensors[*index];
      if (tensor.type.kind != TensorType::Kind::kCode)
        return InvalidArgument("inputs: '", tensor.name, "' must hold codes");
      if (ready_[*index]) return InvalidArgument("inputs: tensor ", id, " is listed twice");
      if (tensor.name.empty() || !names.insert(tensor.name).second) {
        return InvalidArgument("inputs: name '", tensor.name, "' is empty or used twice");
      }
      ready_[*index] = true;
    }
    return absl::OkStatus();
  }

  absl::Status CheckNode(const Node& node) {
    std::vector<Shape> shapes;
    std::vector<const TensorType*> types;
    for (TensorId id : node.inputs) {
      MSQ_ASSIGN_OR_RETURN(const size_t index, Index(id));
      const TensorType& type = graph_.tensors[index].type;
      if (!ready_[index]) return InvalidArgument("reads tensor ", id, " before anything produces it");
      if (type.kind != TensorType::Kind::kCode) return InvalidArgument("reads tensor ", id, ", a raw network output");
      shapes.push_back(type.shape);
      types.push_back(&type);
    }
    MSQ_ASSIGN_OR_RETURN(const size_t output, Index(node.output));
    if (ready_[output]) return InvalidArgument("writes tensor ", node.output, ", which has a value already");
    const TensorType& type = graph_.tensors[output].type;
    MSQ_ASSIGN_OR_RETURN(const Shape shape, InferShape(node.op, shapes, type.shape));
    if (shape != type.shape) {
      return InvalidArgument("computes shape ", ToString(shape), ", its output tensor has ", ToString(type.shape));
    }
    ready_[output] = true;
    work_ += ElementCount(shape) * TapsPerOutput(node.op);  // <= 2^26 * 2^26 a node, and the sum stops at 2^40
    if (work_ > kMaxWork) return InvalidArgument("brings the network to ", work_, " products a sample, over 2^40");
    return std::visit(TypeCheck{types, type}, node.op);
  }

  absl::Status CheckOutputs() const {
    if (graph_.outputs.empty()) return InvalidArgument("outputs: there is none");
    std::set<std::string_view> names;
    for (TensorId id : graph_.outputs) {
      auto index = Index(id);
      if (!index.ok()) return WithContext(index.status(), "outputs");
      const std::string& name = graph_.tensors[*index].name;
      if (!ready_[*index]) return InvalidArgument("outputs: nothing produces '", name, "'");
      if (name.empty() || !names.insert(name).second) {
        return InvalidArgument("outputs: name '", name, "' is empty or used twice");
      }
    }
    return absl::OkStatus();
  }

  const Graph& graph_;
  std::vector<bool> ready_;
  int64_t work_ = 0;
};

}  // namespace

absl::Status Verify(const Graph& graph) {
  return GraphVerifier(graph).Run();
}

}  // namespace msq::ir
