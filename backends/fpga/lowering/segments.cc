#include "backends/fpga/lowering/segments.h"

#include <algorithm>
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
  if (const auto* pool = std::get_if<ir::MaxPool>(&node.op)) return WindowRows(pool->window, out, height);
  if (const auto* resize = std::get_if<ir::ResizeNearest>(&node.op)) {
    return {out.begin / resize->factors[0], CeilDiv(out.end, resize->factors[0])};
  }
  const auto* conv = std::get_if<ir::Conv>(&node.op);
  return conv != nullptr && operand == 0 ? WindowRows(conv->window, out, height) : out;
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
  if (ShapeOf(graph, node.output).size() != 3) return false;
  const auto* concat = std::get_if<ir::Concat>(&node.op);
  return std::holds_alternative<ir::Conv>(node.op) || std::holds_alternative<ir::MaxPool>(node.op) ||
         std::holds_alternative<ir::ResizeNearest>(node.op) || (concat != nullptr && concat->axis == 0);
}

bool HasResidual(const ir::Node& node) {
  return node.inputs.size() > 1 && std::holds_alternative<ir::Conv>(node.op);
}

bool IsDepthwise(const ir::Graph& graph, const ir::Node& node) {
  const auto* conv = std::get_if<ir::Conv>(&node.op);
  return conv != nullptr && conv->groups > 1 && conv->groups == ShapeOf(graph, node.inputs[0])[0];
}

bool IsReadDepthwise(const ir::Graph& graph, const Segment& segment, ir::TensorId id) {
  for (size_t n = segment.begin; n < segment.end; ++n) {
    if (graph.nodes[n].inputs[0] == id && IsDepthwise(graph, graph.nodes[n])) return true;
  }
  return false;
}

}  // namespace msq::fpga
