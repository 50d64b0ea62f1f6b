#include "backends/fpga/lowering/segments.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

namespace msq::fpga {
namespace {

const ir::Shape& ShapeOf(const ir::Graph& graph, ir::TensorId id) {
  return graph.tensors[static_cast<size_t>(id)].type.shape;
}

void Extend(RowRange* range, const RowRange& by) {
  if (by.count() <= 0) return;
  *range = range->count() <= 0 ? by : RowRange{std::min(range->begin, by.begin), std::max(range->end, by.end)};
}

// Input rows that a window reads for these output rows.
RowRange WindowRows(const ir::Window& window, const RowRange& out, int64_t height) {
  const int64_t first = out.begin * window.strides[0] - window.pads[0];
  const int64_t last =
      (out.end - 1) * window.strides[0] - window.pads[0] + (window.kernel[0] - 1) * window.dilations[0];
  return {std::clamp<int64_t>(first, 0, height - 1), std::clamp<int64_t>(last + 1, 1, height)};
}

// Rows of an operand that the node needs for these rows of its output.
RowRange InputRows(const ir::Graph& graph, const ir::Node& node, size_t operand, const RowRange& out) {
  const int64_t height = ShapeOf(graph, node.inputs[operand])[1];
  const auto rows = [&](const auto& op) -> RowRange {
    using Op = std::decay_t<decltype(op)>;
    if constexpr (requires { op.window; }) {
      return operand == 0 ? WindowRows(op.window, out, height) : out;
    } else if constexpr (std::is_same_v<Op, ir::Pad>) {
      return WindowRows({.pads = {op.before[1], 0, 0, 0}}, out, height);
    } else if constexpr (std::is_same_v<Op, ir::Slice>) {
      return WindowRows({.strides = {op.steps[1], 1}, .pads = {-op.starts[1], 0, 0, 0}}, out, height);
    } else if constexpr (std::is_same_v<Op, ir::ResizeNearest>) {
      return {out.begin / op.factors[0], CeilDiv(out.end, op.factors[0])};
    } else if constexpr (std::is_same_v<Op, ir::Concat>) {
      if (op.axis != 1) return out;
      int64_t top = 0;
      for (size_t i = 0; i < operand; ++i) top += ShapeOf(graph, node.inputs[i])[1];
      return {std::clamp<int64_t>(out.begin - top, 0, height), std::clamp<int64_t>(out.end - top, 0, height)};
    } else {
      return out;
    }
  };
  return std::visit(rows, node.op);
}

// Which rows of which tensor, strip by strip, from the last node back to the first.
void DivideRows(const ir::Graph& graph, const Segment& segment, SegmentTensors* tensors) {
  std::map<ir::TensorId, int64_t> done;
  for (int64_t k = 0; k < segment.strips; ++k) {
    for (size_t n = segment.end; n-- > segment.begin;) {
      const ir::Node& node = graph.nodes[n];
      SegmentTensor& out = tensors->at(node.output);
      RowRange& rows = out.rows[static_cast<size_t>(k)];
      if (out.lives_on) {
        int64_t& end = done[node.output];
        if (rows.count() <= 0) rows = {end, end};
        // What is there as a whole keeps the rows of earlier strips.
        rows.begin = out.strip ? std::min(rows.begin, end) : end;
        rows.end = std::max({rows.begin, rows.end, ShapeOf(graph, node.output)[1] * (k + 1) / segment.strips});
        end = rows.end;
      }
      if (rows.count() <= 0) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        Extend(&tensors->at(node.inputs[i]).rows[static_cast<size_t>(k)], InputRows(graph, node, i, rows));
      }
    }
  }
}

// A residual that nobody else reads is overwritten by the sum.
void FindPlaces(const ir::Graph& graph, const Segment& segment, SegmentTensors* tensors) {
  std::map<ir::TensorId, int> readers;
  for (size_t n = segment.begin; n < segment.end; ++n) {
    for (ir::TensorId id : graph.nodes[n].inputs) ++readers[id];
  }
  const auto same_words = [&graph](ir::TensorId a, ir::TensorId b) {
    const ir::TensorType &one = graph.tensors[static_cast<size_t>(a)].type,
                         &other = graph.tensors[static_cast<size_t>(b)].type;
    return one.bits == other.bits && one.kind == other.kind;
  };
  for (size_t n = segment.begin; n < segment.end; ++n) {
    const ir::Node& node = graph.nodes[n];
    SegmentTensor& out = tensors->at(node.output);
    ir::TensorId root = node.output;
    if (HasResidual(node) && out.strip) {
      const ir::TensorId skip = node.inputs[1];
      const SegmentTensor& other = tensors->at(skip);
      if (other.strip && !other.lives_on && readers[skip] == 1 && same_words(skip, node.output) &&
          other.rows == out.rows) {
        root = out.place_of = other.place_of < 0 ? skip : other.place_of;
      }
    }
    SegmentTensor& owner = tensors->at(root);
    if (out.stored()) ++owner.buffers;
  }
  // One to compute, one more each to load and to store meanwhile.
  for (auto& [id, tensor] : *tensors) {
    if (tensor.strip) tensor.buffers = std::min(segment.strips, 1 + tensor.buffers + (tensor.loaded() ? 1 : 0));
  }
}

}  // namespace

std::vector<TensorUse> UsesOf(const ir::Graph& graph) {
  std::vector<TensorUse> uses(graph.tensors.size());
  for (ir::TensorId id : graph.inputs) uses[static_cast<size_t>(id)].input = true;
  for (ir::TensorId id : graph.outputs) uses[static_cast<size_t>(id)].output = true;
  for (int64_t n = 0; n < std::ssize(graph.nodes); ++n) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(n)];
    uses[static_cast<size_t>(node.output)].born = n;
    for (ir::TensorId id : node.inputs) {
      TensorUse& use = uses[static_cast<size_t>(id)];
      if (use.born < 0) use.born = n;
      use.last_reader = n;
    }
  }
  return uses;
}

bool HasResidual(const ir::Node& node) {
  return std::holds_alternative<ir::Add>(node.op) ||
         (std::holds_alternative<ir::Conv>(node.op) && node.inputs.size() > 1);
}

int64_t SegmentTensor::MaxRows() const {
  int64_t most = 0;
  for (const RowRange& range : rows) most = std::max(most, range.count());
  return most;
}

SegmentTensors DivideSegment(const ir::Graph& graph, const std::vector<TensorUse>& uses,
                             const std::vector<bool>& spilled, const Segment& segment) {
  SegmentTensors tensors;
  for (size_t n = segment.begin; n < segment.end; ++n) {
    const ir::Node& node = graph.nodes[n];
    for (ir::TensorId id : node.inputs) tensors.try_emplace(id);
    SegmentTensor& out = tensors[node.output];
    const TensorUse& use = uses[static_cast<size_t>(node.output)];
    out.produced = true;
    out.lives_on = use.output || use.last_reader < 0 || use.last_reader >= static_cast<int64_t>(segment.end);
  }
  for (auto& [id, tensor] : tensors) {
    tensor.strip = spilled[static_cast<size_t>(id)] || (tensor.produced && !tensor.lives_on);
    tensor.rows.resize(static_cast<size_t>(segment.strips));
  }
  DivideRows(graph, segment, &tensors);
  FindPlaces(graph, segment, &tensors);
  return tensors;
}

bool MayRunInStrips(const ir::Graph& graph, const ir::Node& node) {
  const bool whole = std::holds_alternative<ir::Dense>(node.op) ||
                     std::holds_alternative<ir::GlobalAveragePool>(node.op) ||
                     std::holds_alternative<ir::Reshape>(node.op) || std::holds_alternative<ir::Recurrent>(node.op);
  const auto is_image = [&graph](ir::TensorId id) { return ShapeOf(graph, id).size() == 3; };
  return !whole && is_image(node.output) && std::all_of(node.inputs.begin(), node.inputs.end(), is_image);
}

bool IsChannelwise(const ir::Graph& graph, const ir::Node& node) {
  if (const auto* conv = std::get_if<ir::Conv>(&node.op)) {
    return conv->groups > 1 && conv->groups == ShapeOf(graph, node.inputs[0])[0];
  }
  return std::holds_alternative<ir::Add>(node.op) || std::holds_alternative<ir::Rescale>(node.op) ||
         std::holds_alternative<ir::AveragePool>(node.op) || std::holds_alternative<ir::Pad>(node.op) ||
         std::holds_alternative<ir::Slice>(node.op);
}

bool IsReadChannelwise(const ir::Graph& graph, const Segment& segment, ir::TensorId id) {
  for (size_t n = segment.begin; n < segment.end; ++n) {
    if (graph.nodes[n].inputs[0] == id && IsChannelwise(graph, graph.nodes[n])) return true;
  }
  return false;
}

}  // namespace msq::fpga
