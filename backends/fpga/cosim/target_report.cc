#include "backends/fpga/cosim/target_report.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "backends/fpga/lowering/partition.h"
#include "base/status.h"
#include "hw/sim/timing_model.h"
#include "model/ir/printer.h"

namespace msq::fpga {
namespace {

constexpr uint64_t kBase = 0x1000'0000;

hw::ProgramTime Predict(Program program) {
  program.MoveTo(kBase);
  std::vector<hw::AnyFields> instructions;
  for (int64_t i = 0; i < program.instructions; ++i) {
    hw::Instruction bits;
    std::memcpy(bits.data(), program.image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
    instructions.push_back(*hw::DecodeAny(bits));
  }
  const auto memory = hw::AxiMemoryOptions::ZynqDdr3(program.configuration.ports);
  return hw::TimeProgram(program.configuration, memory, {.instructions = std::move(instructions), .address = kBase});
}

// "24 fixed, 40 SP2" of a layer's rows; empty without weights.
std::string RowsOf(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes) {
    const ir::Weights* weights = node.name == name ? ir::WeightsOf(node.op) : nullptr;
    if (weights == nullptr) continue;
    const auto sp2 = std::count(weights->schemes.begin(), weights->schemes.end(), ir::Scheme::kSp2);
    return absl::StrFormat("%d DSP, %d any", weights->rows - sp2, sp2);
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> TargetReport(const ir::Graph& graph, const hw::Configuration& configuration) {
  MSQ_ASSIGN_OR_RETURN(const std::vector<Stage> stages, Partition(graph, configuration));
  std::string text = absl::StrFormat("%-28s %-24s %-18s %6s %10s %10s %7s %10s\n", "layer", "kind", "rows for lanes",
                                     "passes", "steps", "cycles", "array", "DRAM KB");
  int64_t cycles = 0, bytes = 0;
  for (const Stage& stage : stages) {
    if (!stage.program) {
      for (const ir::Node& node : stage.graph.nodes) text += absl::StrFormat("%-28s CPU\n", node.name.substr(0, 28));
      continue;
    }
    const hw::ProgramTime time = Predict(*stage.program);
    const auto& conv = time.completed[static_cast<size_t>(hw::Unit::kConv)];
    const auto& vec = time.completed[static_cast<size_t>(hw::Unit::kVec)];
    size_t convs = 0, vecs = 0;
    uint64_t before = 0;
    for (const LayerRecord& layer : stage.program->layers) {
      convs += static_cast<size_t>(layer.convs);
      vecs += static_cast<size_t>(layer.vecs);
      uint64_t end = before;
      if (layer.convs > 0) end = std::max(end, conv[convs - 1]);
      if (layer.vecs > 0) end = std::max(end, vec[vecs - 1]);
      const auto took = static_cast<int64_t>(end - before);
      const double busy = took == 0 ? 0 : 100.0 * static_cast<double>(layer.steps) / static_cast<double>(took);
      const int64_t moved = layer.weight_bytes + kWordBytes * (layer.load_words + layer.store_words);
      text += absl::StrFormat("%-28s %-24s %-18s %6d %10d %10d %6.1f%% %10.1f\n", layer.node.substr(0, 28),
                              layer.kind.substr(0, 24), RowsOf(stage.graph, layer.node), layer.passes, layer.steps,
                              took, busy, 1e-3 * static_cast<double>(moved));
      before = end;
    }
    cycles += time.cycles;
    bytes += 8 * (time.read_beats + time.write_beats);
  }
  text += absl::StrFormat("\n%s: %d cycles predicted, %.3f ms at 100 MHz, %.2f MB of DRAM\n",
                          std::string(configuration.name), cycles, static_cast<double>(cycles) / 1e5,
                          1e-6 * static_cast<double>(bytes));
  return text;
}

}  // namespace msq::fpga
