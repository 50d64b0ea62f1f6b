// msq-inspect: prints an artifact, verifies it (reading does), predicts what it takes on an accelerator, or compares two.
#include <cstdio>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "backends/fpga/cosim/target_report.h"
#include "base/status.h"
#include "model/format/artifact.h"
#include "model/ir/printer.h"

namespace msq {
namespace {

constexpr int kClockMhz = 100;  // that a prediction assumes
constexpr const char* kOnCpu = "CPU";

struct Totals {
  int64_t weights = 0;
  int64_t macs = 0;
  std::array<int64_t, numerics::kSchemeCount> rows = {};
};

Totals Sum(const ir::Graph& graph) {
  Totals totals;
  for (const ir::Node& node : graph.nodes) {
    totals.macs += ir::MacCount(graph, node);
    const ir::Weights* weights = ir::WeightsOf(node.op);
    if (weights == nullptr) continue;
    totals.weights += weights->rows * weights->row_length;
    const auto rows = ir::RowsByScheme(*weights);
    for (size_t i = 0; i < rows.size(); ++i) totals.rows[i] += rows[i];
  }
  return totals;
}

nlohmann::json ToJson(const ir::Model& model) {
  const Totals totals = Sum(model.graph);
  nlohmann::json nodes = nlohmann::json::array();
  for (const ir::Node& node : model.graph.nodes) {
    const ir::TensorType& type = model.graph.tensors[static_cast<size_t>(node.output)].type;
    nlohmann::json entry = {{"name", node.name},
                            {"op", std::string(ir::OpName(node.op))},
                            {"shape", type.shape},
                            {"macs", ir::MacCount(model.graph, node)}};
    if (const ir::Weights* weights = ir::WeightsOf(node.op)) entry["rows_by_scheme"] = ir::RowsByScheme(*weights);
    nodes.push_back(std::move(entry));
  }
  return {{"name", model.graph.name},
          {"producer", model.provenance.producer},
          {"source", model.provenance.source},
          {"source_sha256", model.provenance.source_sha256},
          {"settings", model.provenance.settings},
          {"weights", totals.weights},
          {"macs", totals.macs},
          {"rows_by_scheme", totals.rows},
          {"nodes", std::move(nodes)}};
}

void PrintText(const ir::Model& model) {
  const Totals totals = Sum(model.graph);
  std::printf("%s: %lld weights, %.1f M multiply-accumulates a sample, verified\n", model.graph.name.c_str(),
              static_cast<long long>(totals.weights), static_cast<double>(totals.macs) / 1e6);
  std::printf("made by %s from '%s' (sha256 %s)\n", model.provenance.producer.c_str(), model.provenance.source.c_str(),
              model.provenance.source_sha256.c_str());
  for (const auto& [key, value] : model.provenance.settings) std::printf("  %s = %s\n", key.c_str(), value.c_str());
  std::fputs(ir::Print(model.graph).c_str(), stdout);
}

// Prints the lines that differ, node by node; returns whether there was any.
bool PrintDifference(const ir::Graph& a, const ir::Graph& b) {
  std::istringstream left(ir::Print(a)), right(ir::Print(b));
  std::string l, r;
  bool differs = false;
  for (bool more = true; more;) {
    const bool has_left = static_cast<bool>(std::getline(left, l)),
               has_right = static_cast<bool>(std::getline(right, r));
    more = has_left || has_right;
    if (has_left == has_right && (!has_left || l == r)) continue;
    differs = true;
    if (has_left) std::printf("- %s\n", l.c_str());
    if (has_right) std::printf("+ %s\n", r.c_str());
  }
  return differs;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "msq-inspect: %s\n", std::string(Message(status)).c_str());
  return 1;
}

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double Milliseconds(int64_t cycles) {
  return static_cast<double>(cycles) / (1e3 * kClockMhz);
}

nlohmann::json ToJson(const fpga::TargetReport& report, const std::string& target) {
  nlohmann::json layers = nlohmann::json::array();
  for (const fpga::LayerPrediction& layer : report.layers) {
    layers.push_back({{"node", layer.node}, {"kind", layer.kind}});
    if (layer.kind == kOnCpu) continue;
    layers.back().update({{"dsp_rows", layer.dsp_rows},
                          {"any_rows", layer.any_rows},
                          {"tiles", layer.tiles},
                          {"passes", layer.passes},
                          {"steps", layer.steps},
                          {"cycles", layer.cycles},
                          {"dsp_busy", Share(layer.dsp_steps, layer.cycles)},
                          {"lut_busy", Share(layer.lut_steps, layer.cycles)},
                          {"dram_bytes", layer.dram_bytes}});
  }
  return {{"config", target},
          {"clock_mhz", kClockMhz},
          {"cycles", report.cycles},
          {"latency_ms", Milliseconds(report.cycles)},
          {"dram_bytes", report.dram_bytes},
          {"layers", std::move(layers)}};
}

void PrintText(const fpga::TargetReport& report, const std::string& target) {
  std::printf("%-28s %-24s %-18s %6s %6s %10s %10s %7s %7s %10s\n", "layer", "kind", "rows for lanes", "tiles",
              "passes", "steps", "cycles", "DSP", "LUT", "DRAM KB");
  for (const fpga::LayerPrediction& layer : report.layers) {
    if (layer.kind == kOnCpu) {
      std::printf("%-28.28s %s\n", layer.node.c_str(), kOnCpu);
      continue;
    }
    std::string rows;
    if (layer.dsp_rows + layer.any_rows > 0) rows = absl::StrCat(layer.dsp_rows, " DSP, ", layer.any_rows, " any");
    std::printf("%-28.28s %-24.24s %-18s %6lld %6lld %10lld %10lld %6.1f%% %6.1f%% %10.1f\n", layer.node.c_str(),
                layer.kind.c_str(), rows.c_str(), static_cast<long long>(layer.tiles),
                static_cast<long long>(layer.passes), static_cast<long long>(layer.steps),
                static_cast<long long>(layer.cycles), 100 * Share(layer.dsp_steps, layer.cycles),
                100 * Share(layer.lut_steps, layer.cycles), 1e-3 * static_cast<double>(layer.dram_bytes));
  }
  std::printf("\n%s: %lld cycles predicted, %.3f ms at %d MHz, %.2f MB of DRAM\n", target.c_str(),
              static_cast<long long>(report.cycles), Milliseconds(report.cycles), kClockMhz,
              1e-6 * static_cast<double>(report.dram_bytes));
}

int PrintTarget(const ir::Graph& graph, const std::string& target, bool json) {
  const hw::Configuration* configuration = hw::FindConfiguration(target);
  if (configuration == nullptr)
    return Fail(NotFound("there is no configuration '", target, "'; see docs/hw/registers.md"));
  const auto report = fpga::PredictOnTarget(graph, *configuration);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    std::printf("%s\n", ToJson(*report, target).dump(2).c_str());
  } else {
    PrintText(*report, target);
  }
  return 0;
}

int Run(const std::string& path, const std::string& other, const std::string& target, bool json) {
  const auto model = format::ReadFile(path);
  if (!model.ok()) return Fail(model.status());
  if (!target.empty()) return PrintTarget(model->graph, target, json);
  if (!other.empty()) {
    const auto second = format::ReadFile(other);
    if (!second.ok()) return Fail(second.status());
    return PrintDifference(model->graph, second->graph) ? 3 : 0;
  }
  if (json) {
    std::printf("%s\n", ToJson(*model).dump(2).c_str());
  } else {
    PrintText(*model);
  }
  return 0;
}

}  // namespace
}  // namespace msq

int main(int argc, char** argv) {
  CLI::App app(
      "Prints and verifies a .msq artifact, predicts what it takes on an accelerator, or compares the graphs of two. "
      "Exit status: 0, 1 unreadable, 2 wrong options, 3 they differ.");
  std::string path, other, target;
  bool json = false;
  app.add_option("ARTIFACT", path, "the .msq file")->required();
  CLI::Option* diff = app.add_option("--diff", other, "another .msq file: print the nodes that differ");
  app.add_option("--target", target, "predict what it takes on an accelerator: z020, z045, ...")->excludes(diff);
  app.add_flag("--json", json, "machine-readable output, of the artifact or of the prediction")->excludes(diff);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return msq::Run(path, other, target, json);
}
