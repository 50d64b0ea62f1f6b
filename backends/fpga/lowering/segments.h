// Networks whose maps do not all fit into the activation memory: which nodes are computed strip by strip of rows, and which
// tensors wait in DRAM.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "backends/fpga/lowering/image_layout.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Nodes begin..end-1. Without strips each is computed at once; those that MayRunInStrips may be computed in strips instead:
// some rows of all nodes, then the next ones. What no later segment reads is never there as a whole.
struct Segment {
  size_t begin = 0, end = 0;
  int64_t strips = 0;

  bool operator==(const Segment&) const = default;
};

struct Plan {
  std::vector<Segment> segments;  // all nodes; may be empty: each node at once
  // By tensor: in DRAM from segment to segment, loaded and stored strip by strip. An input of the graph is there before.
  std::vector<bool> spilled;

  bool operator==(const Plan&) const = default;
};

// Who makes and reads each tensor.
struct TensorUse {
  int64_t born = -1;                   // the node that makes it, or the first reader of a graph input
  int64_t last_reader = -1;            // node
  bool input = false, output = false;  // of the graph
};
std::vector<TensorUse> UsesOf(const ir::Graph& graph);

struct RowRange {
  int64_t begin = 0, end = 0;

  int64_t count() const { return end - begin; }
  bool operator==(const RowRange&) const = default;
};

// A tensor that nodes of a segment in strips make or read.
struct SegmentTensor {
  bool produced = false;       // by one of them
  bool lives_on = false;       // produced, and read later
  bool strip = false;          // only rows of it are there
  ir::TensorId place_of = -1;  // its strips take the place of this tensor's
  int64_t buffers = 0;         // for strips, unless they take another's place
  std::vector<RowRange> rows;  // of each strip: those computed or loaded

  bool loaded() const { return strip && !produced; }
  bool stored() const { return strip && lives_on; }
  int64_t MaxRows() const;
};

// Rows that several nodes need of an internal tensor for the windows of two strips are computed twice.
using SegmentTensors = std::map<ir::TensorId, SegmentTensor>;
SegmentTensors DivideSegment(const ir::Graph& graph, const std::vector<TensorUse>& uses,
                             const std::vector<bool>& spilled, const Segment& segment);

// Whether the node computes rows of an image from rows of images.
bool MayRunInStrips(const ir::Graph& graph, const ir::Node& node);

// Whether the second operand is added to the output.
bool HasResidual(const ir::Node& node);

// Whether CONV computes the node and each channel of the output comes from one of the input: then whole tiles of words
// are read.
bool IsChannelwise(const ir::Graph& graph, const ir::Node& node);
// Whether a node of the segment is such a reader.
bool IsReadChannelwise(const ir::Graph& graph, const Segment& segment, ir::TensorId id);

// Plans that should fit into the memory, that with the fewest cycles first. They count words, not gaps between them, so
// that a plan may turn out not to fit.
std::vector<Plan> MakePlans(const ir::Graph& graph, const hw::Configuration& configuration);

}  // namespace msq::fpga
