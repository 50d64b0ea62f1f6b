#include "backends/fpga/cosim/target_report.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_format.h"
#include "backends/fpga/lowering/partition.h"
#include "base/status.h"
#include "hw/sim/tile_engines.h"
#include "hw/sim/timing_model.h"
#include "model/ir/printer.h"

namespace msq::fpga {
namespace {

constexpr uint64_t kBase = 0x1000'0000;

struct Prediction {
  std::vector<hw::AnyFields> instructions;
  hw::ProgramTime time;
  std::vector<hw::TileEngines> engines;
};

Prediction Predict(Program program) {
  program.MoveTo(kBase);
  Prediction prediction;
  for (int64_t i = 0; i < program.instructions; ++i) {
    hw::Instruction bits;
    std::memcpy(bits.data(), program.image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
    prediction.instructions.push_back(*hw::DecodeAny(bits));
  }
  const auto memory = hw::AxiMemoryOptions::ZynqDdr3(program.configuration.ports);
  prediction.time =
      hw::TimeProgram(program.configuration, memory, {.instructions = prediction.instructions, .address = kBase});
  prediction.engines = hw::EnginesOfTiles(program.configuration, prediction.instructions, program.image, kBase);
  return prediction;
}

// What the instructions of a program say of its layers, one after the other.
class LayerWalk {
 public:
  explicit LayerWalk(const Prediction* prediction) : prediction_(*prediction) {}

  struct Layer {
    int64_t tiles = 0;
    int64_t dsp_steps = 0, lut_steps = 0;
    int64_t cycles = 0;
  };
  Layer Next(const LayerRecord& record) {
    Layer layer;
    for (int64_t i = 0; i < record.convs; ++i) layer.tiles += NextConv().tiles;
    for (int64_t i = 0; i < layer.tiles; ++i, ++tile_) {
      if (prediction_.engines[tile_].dsp) layer.dsp_steps += prediction_.time.tile_steps[tile_];
      if (prediction_.engines[tile_].lut) layer.lut_steps += prediction_.time.tile_steps[tile_];
    }
    convs_ += static_cast<size_t>(record.convs);
    vecs_ += static_cast<size_t>(record.vecs);
    const auto& completed = prediction_.time.completed;
    uint64_t end = before_;
    if (record.convs > 0) end = std::max(end, completed[static_cast<size_t>(hw::Unit::kConv)][convs_ - 1]);
    if (record.vecs > 0) end = std::max(end, completed[static_cast<size_t>(hw::Unit::kVec)][vecs_ - 1]);
    layer.cycles = static_cast<int64_t>(end - before_);
    before_ = end;
    return layer;
  }

 private:
  const hw::ConvFields& NextConv() {
    while (!std::holds_alternative<hw::ConvFields>(prediction_.instructions[instruction_])) ++instruction_;
    return std::get<hw::ConvFields>(prediction_.instructions[instruction_++]);
  }

  const Prediction& prediction_;
  size_t instruction_ = 0, tile_ = 0, convs_ = 0, vecs_ = 0;
  uint64_t before_ = 0;
};

double Percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
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
  std::string text = absl::StrFormat("%-28s %-24s %-18s %6s %6s %10s %10s %7s %7s %10s\n", "layer", "kind",
                                     "rows for lanes", "tiles", "passes", "steps", "cycles", "DSP", "LUT", "DRAM KB");
  int64_t cycles = 0, bytes = 0;
  for (const Stage& stage : stages) {
    if (!stage.program) {
      for (const ir::Node& node : stage.graph.nodes) text += absl::StrFormat("%-28s CPU\n", node.name.substr(0, 28));
      continue;
    }
    const Prediction prediction = Predict(*stage.program);
    LayerWalk walk(&prediction);
    for (const LayerRecord& record : stage.program->layers) {
      const LayerWalk::Layer layer = walk.Next(record);
      const int64_t moved = record.weight_bytes + kWordBytes * (record.load_words + record.store_words);
      text += absl::StrFormat("%-28s %-24s %-18s %6d %6d %10d %10d %6.1f%% %6.1f%% %10.1f\n", record.node.substr(0, 28),
                              record.kind.substr(0, 24), RowsOf(stage.graph, record.node), layer.tiles, record.passes,
                              record.steps, layer.cycles, Percent(layer.dsp_steps, layer.cycles),
                              Percent(layer.lut_steps, layer.cycles), 1e-3 * static_cast<double>(moved));
    }
    cycles += prediction.time.cycles;
    bytes += 8 * (prediction.time.read_beats + prediction.time.write_beats);
  }
  text += absl::StrFormat("\n%s: %d cycles predicted, %.3f ms at 100 MHz, %.2f MB of DRAM\n",
                          std::string(configuration.name), cycles, static_cast<double>(cycles) / 1e5,
                          1e-6 * static_cast<double>(bytes));
  return text;
}

}  // namespace msq::fpga
