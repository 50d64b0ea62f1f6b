#include "backends/fpga/lowering/partition.h"

#include <algorithm>
#include <map>
#include <utility>

#include "backends/fpga/lowering/batch_folding.h"
#include "backends/fpga/lowering/lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

bool Contains(const std::vector<ir::TensorId>& ids, ir::TensorId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool HasWeights(const ir::Node& node) {
  return std::holds_alternative<ir::Conv>(node.op) || std::holds_alternative<ir::Dense>(node.op);
}

// A range of nodes, and whether the accelerator runs it.
struct Range {
  size_t begin = 0, end = 0;
  std::optional<Program> program = {};
};

// The stage of nodes [begin, end).
Stage Cut(const ir::Graph& graph, size_t begin, size_t end) {
  Stage stage;
  std::map<ir::TensorId, ir::TensorId> inside;  // the number that a tensor has in the stage
  const auto add = [&](ir::TensorId id) {
    const auto [it, is_new] = inside.emplace(id, static_cast<ir::TensorId>(stage.graph.tensors.size()));
    if (is_new) stage.graph.tensors.push_back(graph.tensors[static_cast<size_t>(id)]);
    return it->second;
  };
  std::vector<ir::TensorId> made;
  for (size_t i = begin; i < end; ++i) {
    ir::Node node = graph.nodes[i];
    for (ir::TensorId& id : node.inputs) {
      if (!Contains(made, id) && !Contains(stage.inputs, id)) stage.inputs.push_back(id);
      id = add(id);
    }
    made.push_back(node.output);
    node.output = add(node.output);
    stage.graph.nodes.push_back(std::move(node));
  }
  for (ir::TensorId id : made) {
    const bool read_later = std::any_of(graph.nodes.begin() + static_cast<ptrdiff_t>(end), graph.nodes.end(),
                                        [id](const ir::Node& node) { return Contains(node.inputs, id); });
    if (read_later || Contains(graph.outputs, id)) stage.outputs.push_back(id);
  }
  for (ir::TensorId id : stage.inputs) stage.graph.inputs.push_back(inside.at(id));
  for (ir::TensorId id : stage.outputs) stage.graph.outputs.push_back(inside.at(id));
  stage.graph.name = graph.name;
  return stage;
}

// Appends the ranges that [begin, end) falls into.
absl::Status Divide(const ir::Graph& graph, const hw::Configuration& configuration, size_t begin, size_t end,
                    std::vector<Range>* ranges) {
  while (begin < end) {
    const auto first = graph.nodes.begin() + static_cast<ptrdiff_t>(begin);
    if (std::none_of(first, graph.nodes.begin() + static_cast<ptrdiff_t>(end), HasWeights)) break;
    size_t finished = 0;
    absl::StatusOr<Program> program = Lower(Cut(graph, begin, end).graph, configuration, &finished);
    if (program.ok()) {
      ranges->push_back({begin, end, *std::move(program)});
      return absl::OkStatus();
    }
    if (!absl::IsUnimplemented(program.status()) && !absl::IsResourceExhausted(program.status())) {
      return program.status();
    }
    const size_t culprit = begin + std::min(finished, end - begin - 1);
    MSQ_RETURN_IF_ERROR(Divide(graph, configuration, begin, culprit, ranges));
    ranges->push_back({culprit, culprit + 1});
    begin = culprit + 1;
  }
  if (begin < end) ranges->push_back({begin, end});
  return absl::OkStatus();
}

// Groups of pixels that one load of weights serves, if there are as many samples. Loading a row of weights takes as long
// as lanes / ports groups of pixels compute with it, 16 to 40; with fewer a batch need not be large.
constexpr int64_t kFoldedGroups = 4;

void AddFolded(const hw::Configuration& configuration, Stage* stage) {
  const int64_t samples = kFoldedGroups * configuration.p;
  const std::optional<ir::Graph> folded = FoldBatch(stage->graph, samples);
  if (!folded) return;
  absl::StatusOr<Program> program = Lower(*folded, configuration);
  if (!program.ok()) return;  // one at a time, then
  stage->folded = *std::move(program);
  stage->fold = samples;
}

}  // namespace

absl::StatusOr<std::vector<Stage>> Partition(const ir::Graph& graph, const hw::Configuration& configuration) {
  std::vector<Range> ranges;
  MSQ_RETURN_IF_ERROR(Divide(graph, configuration, 0, graph.nodes.size(), &ranges));
  std::vector<Stage> stages;
  for (size_t i = 0; i < ranges.size();) {
    size_t last = i;  // neighbours on the CPU are one stage
    while (!ranges[i].program && last + 1 < ranges.size() && !ranges[last + 1].program) ++last;
    Stage& stage = stages.emplace_back(Cut(graph, ranges[i].begin, ranges[last].end));
    stage.program = std::move(ranges[i].program);
    if (stage.program) AddFolded(configuration, &stage);
    i = last + 1;
  }
  return stages;
}

}  // namespace msq::fpga
