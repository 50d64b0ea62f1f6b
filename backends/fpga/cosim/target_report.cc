#include "backends/fpga/cosim/target_report.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <variant>
#include <vector>

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

  // Tiles, steps of the engines and cycles.
  LayerPrediction Next(const LayerRecord& record) {
    LayerPrediction layer;
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

// The layer's rows of weights, if it has any.
void CountRows(const ir::Graph& graph, LayerPrediction* layer) {
  for (const ir::Node& node : graph.nodes) {
    const ir::Weights* weights = node.name == layer->node ? ir::WeightsOf(node.op) : nullptr;
    if (weights == nullptr) continue;
    layer->any_rows = std::count(weights->schemes.begin(), weights->schemes.end(), ir::Scheme::kSp2);
    layer->dsp_rows = weights->rows - layer->any_rows;
    return;
  }
}

}  // namespace

absl::StatusOr<TargetReport> PredictOnTarget(const ir::Graph& graph, const hw::Configuration& configuration) {
  MSQ_ASSIGN_OR_RETURN(const std::vector<Stage> stages, Partition(graph, configuration));
  TargetReport report;
  for (const Stage& stage : stages) {
    if (!stage.program) {
      for (const ir::Node& node : stage.graph.nodes) report.layers.push_back({.node = node.name, .kind = "CPU"});
      continue;
    }
    const Prediction prediction = Predict(*stage.program);
    LayerWalk walk(&prediction);
    for (const LayerRecord& record : stage.program->layers) {
      LayerPrediction& layer = report.layers.emplace_back(walk.Next(record));
      layer.node = record.node;
      layer.kind = record.kind;
      layer.passes = record.passes;
      layer.steps = record.steps;
      layer.dram_bytes = record.weight_bytes + kWordBytes * (record.load_words + record.store_words);
      CountRows(stage.graph, &layer);
    }
    report.cycles += static_cast<int64_t>(prediction.time.cycles);
    report.dram_bytes += static_cast<int64_t>(8 * (prediction.time.read_beats + prediction.time.write_beats));
  }
  return report;
}

}  // namespace msq::fpga
