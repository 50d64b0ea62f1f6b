#include "model/ir/printer.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace msq::ir {
namespace {

// FNV-1a over little-endian bytes: stable from run to run, unlike absl::Hash.
class Checksum {
 public:
  template <typename Values>
  void Add(const Values& values) {
    for (const auto& value : values) {
      auto bits = static_cast<uint64_t>(value);
      for (int i = 0; i < 8; ++i, bits >>= 8) state_ = (state_ ^ (bits & 0xff)) * 0x100000001b3u;
    }
  }
  void Add(const Weights& weights) {
    for (Scheme scheme : weights.schemes) Add(std::array{static_cast<int>(scheme)});
    Add(weights.values);
    AddFloats(weights.alphas);
    for (const auto& book : weights.codebooks) Add(book);
    Add(weights.codebook_of_row);
  }
  void AddFloats(const std::vector<float>& values) {
    for (float value : values) Add(std::array{std::bit_cast<uint32_t>(value)});
  }
  void Add(const Requantizer& r) {
    Add(r.multipliers);
    Add(r.addends);
    Add(r.shifts);
    Add(r.skip_multipliers);
    if (!r.leaky) return;
    Add(r.leaky->thresholds);
    Add(r.leaky->multipliers);
    Add(r.leaky->addends);
  }
  void Add(const Epilogue& epilogue) {
    if (const auto* requantizer = std::get_if<Requantizer>(&epilogue)) return Add(*requantizer);
    Add(std::get<RawOutput>(epilogue).biases);
  }
  std::string ToText() const { return absl::StrFormat("%016x", state_); }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

std::string WindowText(const Window& w) {
  return absl::StrFormat(" kernel %dx%d stride %dx%d pads %d,%d,%d,%d dilation %dx%d", w.kernel[0], w.kernel[1],
                         w.strides[0], w.strides[1], w.pads[0], w.pads[1], w.pads[2], w.pads[3], w.dilations[0],
                         w.dilations[1]);
}

std::string WeightsText(const Weights& weights, const Epilogue& epilogue) {
  Checksum checksum;
  checksum.Add(weights);
  checksum.Add(epilogue);
  std::string schemes;
  const auto rows = RowsByScheme(weights);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] > 0) absl::StrAppend(&schemes, " ", numerics::SchemeName(static_cast<Scheme>(i)), ":", rows[i]);
  }
  return absl::StrCat(schemes, " #", checksum.ToText());
}

std::string RequantizerText(const Requantizer& requantizer) {
  Checksum checksum;
  checksum.Add(requantizer);
  return absl::StrCat(" #", checksum.ToText());
}

// One overload an operator: what follows its name.
struct Attributes {
  std::string operator()(const Conv& op) const {
    return absl::StrCat(WindowText(op.window), " groups ", op.groups, WeightsText(op.weights, op.epilogue));
  }
  std::string operator()(const Dense& op) const { return WeightsText(op.weights, op.epilogue); }
  std::string operator()(const Add& op) const { return RequantizerText(op.requantizer); }
  std::string operator()(const Rescale& op) const { return RequantizerText(op.requantizer); }
  std::string operator()(const MaxPool& op) const { return WindowText(op.window); }
  std::string operator()(const AveragePool& op) const {
    return absl::StrCat(WindowText(op.window), op.count_include_pad ? " with padding" : "",
                        RequantizerText(op.requantizer));
  }
  std::string operator()(const GlobalAveragePool& op) const { return RequantizerText(op.requantizer); }
  std::string operator()(const Concat& op) const { return absl::StrCat(" axis ", op.axis); }
  std::string operator()(const ResizeNearest& op) const {
    return absl::StrCat(" factors ", op.factors[0], "x", op.factors[1]);
  }
  std::string operator()(const Reshape&) const { return ""; }
  std::string operator()(const Pad& op) const {
    return absl::StrCat(" before ", ToString(op.before), " after ", ToString(op.after));
  }
  std::string operator()(const Slice& op) const {
    return absl::StrCat(" starts ", ToString(op.starts), " ends ", ToString(op.ends), " steps ", ToString(op.steps));
  }
  std::string operator()(const Recurrent& op) const {
    Checksum checksum;
    checksum.Add(op.input_weights);
    checksum.Add(op.recurrent_weights);
    checksum.Add(op.biases);
    return absl::StrCat(op.cell == Recurrent::Cell::kLstm ? " lstm" : " gru", " direction ",
                        static_cast<int>(op.direction), " hidden ", op.hidden_size, " fraction bits ",
                        op.cell_fraction_bits, op.linear_before_reset ? " linear before reset" : "", " #",
                        checksum.ToText());
  }
};

}  // namespace

std::string ToString(const TensorType& type) {
  if (type.kind == TensorType::Kind::kAccumulator) {
    Checksum checksum;
    checksum.AddFloats(type.row_scales);
    return absl::StrCat("acc", ToString(type.shape), " scales #", checksum.ToText());
  }
  return absl::StrFormat("u%d%s scale %.9g zero %d", type.bits, ToString(type.shape), type.scale, type.zero_point);
}

const Weights* WeightsOf(const Op& op) {
  if (const auto* conv = std::get_if<Conv>(&op)) return &conv->weights;
  if (const auto* dense = std::get_if<Dense>(&op)) return &dense->weights;
  return nullptr;
}

int64_t MacCount(const Graph& graph, const Node& node) {
  const Weights* weights = WeightsOf(node.op);
  if (weights == nullptr) return 0;
  return ElementCount(graph.tensors[static_cast<size_t>(node.output)].type.shape) * weights->row_length;
}

std::array<int64_t, numerics::kSchemeCount> RowsByScheme(const Weights& weights) {
  std::array<int64_t, numerics::kSchemeCount> rows = {};
  for (Scheme scheme : weights.schemes) ++rows[static_cast<size_t>(scheme)];
  return rows;
}

std::string Print(const Graph& graph) {
  const auto tensor = [&](TensorId id) { return graph.tensors[static_cast<size_t>(id)]; };
  std::string text;
  for (TensorId id : graph.inputs)
    absl::StrAppend(&text, "input %", id, " '", tensor(id).name, "' ", ToString(tensor(id).type), "\n");
  for (const Node& node : graph.nodes) {
    const std::string inputs = absl::StrJoin(node.inputs, ", %");
    absl::StrAppend(&text, "%", node.output, " = ", std::string(OpName(node.op)), "(%", inputs, ")");
    absl::StrAppend(&text, std::visit(Attributes{}, node.op), " -> ", ToString(tensor(node.output).type), "  '",
                    node.name, "'\n");
  }
  for (TensorId id : graph.outputs) absl::StrAppend(&text, "output %", id, " '", tensor(id).name, "'\n");
  return text;
}

}  // namespace msq::ir
