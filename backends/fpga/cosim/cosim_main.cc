// msq-cosim: runs an artifact on a simulated accelerator and says how long it takes, where, and whether the bits are right.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "backends/fpga/cosim/cosim_html.h"
#include "backends/fpga/cosim/cosim_run.h"
#include "base/status.h"
#include "media/npy.h"
#include "model/format/artifact.h"

namespace msq::fpga {
namespace {

struct Options {
  std::string artifact, config = "z020", fidelity = "model", html;
  std::vector<std::string> inputs;
  double clock_mhz = 100;
  uint64_t seed = 1;
  bool json = false, ideal_memory = false;
};

absl::StatusOr<reference::Values> ReadInput(const ir::TensorType& type, const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(const media::Array array, media::ReadNpy(path));
  if (array.ElementCount() != ir::ElementCount(type.shape)) {
    return InvalidArgument(path, ": has ", array.ElementCount(), " elements, the network's input is ",
                           ir::ToString(type.shape));
  }
  reference::Values values(static_cast<size_t>(array.ElementCount()));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t value = array.IntAt(static_cast<int64_t>(i));
    if (value < 0 || value >= int64_t{1} << type.bits) {
      return InvalidArgument(path, ": element ", i, " is ", value, ", no code of ", type.bits, " bits");
    }
    values[i] = static_cast<int32_t>(value);
  }
  return values;
}

absl::StatusOr<std::vector<reference::Values>> ReadInputs(const ir::Graph& graph, const Options& options) {
  if (options.inputs.empty()) return RandomInputs(graph, options.seed);
  if (graph.inputs.size() != options.inputs.size()) {
    return InvalidArgument("the network has ", graph.inputs.size(), " inputs, --input is given ", options.inputs.size(),
                           " times");
  }
  std::vector<reference::Values> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::TensorType& type = graph.tensors[static_cast<size_t>(graph.inputs[i])].type;
    MSQ_ASSIGN_OR_RETURN(inputs.emplace_back(), ReadInput(type, options.inputs[i]));
  }
  return inputs;
}

absl::StatusOr<CosimSettings> ReadSettings(const Options& options) {
  CosimSettings settings;
  const hw::Configuration* configuration = hw::FindConfiguration(options.config);
  if (configuration == nullptr) {
    const auto name = [](std::string* out, const hw::Configuration& c) { out->append(c.name); };
    return InvalidArgument("there is no configuration '", options.config,
                           "'; there are: ", absl::StrJoin(hw::kConfigurations, ", ", name));
  }
  settings.configuration = *configuration;
  MSQ_ASSIGN_OR_RETURN(settings.fidelity, hw::ParseFidelity(options.fidelity));
  settings.memory = options.ideal_memory ? hw::AxiMemoryOptions::Ideal(configuration->ports)
                                         : hw::AxiMemoryOptions::ZynqDdr3(configuration->ports);
  settings.memory.clock_hz = options.clock_mhz * 1e6;
  return settings;
}

struct Derived {
  double latency_ms, gops, dsp_busy, lut_busy;
};

Derived Derive(const CosimReport& report, double clock_hz) {
  const double cycles = static_cast<double>(std::max<int64_t>(1, report.cycles)), seconds = cycles / clock_hz;
  return {1e3 * seconds, 2e-9 * static_cast<double>(report.macs) / seconds,
          static_cast<double>(report.dsp_busy) / cycles, static_cast<double>(report.lut_busy) / cycles};
}

nlohmann::json ToJson(const CosimReport& report, const Options& options, double clock_hz) {
  const Derived derived = Derive(report, clock_hz);
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerTime& layer : report.layers) {
    layers.push_back({{"node", layer.node},
                      {"kind", layer.kind},
                      {"begin", layer.begin},
                      {"cycles", layer.cycles},
                      {"steps", layer.steps},
                      {"macs", layer.macs},
                      {"dram_bytes", layer.dram_bytes}});
  }
  return {{"config", options.config},
          {"fidelity", options.fidelity},
          {"clock_mhz", options.clock_mhz},
          {"cycles", report.cycles},
          {"latency_ms", derived.latency_ms},
          {"gops", derived.gops},
          {"bit_exact", report.bit_exact()},
          {"values", report.values},
          {"steps", report.steps},
          {"dsp_busy", derived.dsp_busy},
          {"lut_busy", derived.lut_busy},
          {"stall_weights", report.stall_weights},
          {"stall_drain", report.stall_drain},
          {"stall_bank", report.stall_bank},
          {"dram_bytes", report.dram_bytes},
          {"layers", layers}};
}

void Print(const CosimReport& report, double clock_hz) {
  const Derived derived = Derive(report, clock_hz);
  std::cout << absl::StrFormat("%-28s %-24s %10s %10s %7s %10s\n", "layer", "kind", "steps", "cycles", "busy",
                               "DRAM KB");
  for (const LayerTime& layer : report.layers) {
    const double busy =
        layer.cycles == 0 ? 0 : 100.0 * static_cast<double>(layer.steps) / static_cast<double>(layer.cycles);
    std::cout << absl::StrFormat("%-28s %-24s %10d %10d %6.1f%% %10.1f\n", layer.node.substr(0, 28),
                                 layer.kind.substr(0, 24), layer.steps, layer.cycles, busy,
                                 1e-3 * static_cast<double>(layer.dram_bytes));
  }
  std::cout << absl::StrFormat(
                   "\n%d cycles: %.3f ms, %.1f GOPS; DSP engine busy %.1f %%, LUT engine %.1f %%; %.2f MB of DRAM\n",
                   report.cycles, derived.latency_ms, derived.gops, 100 * derived.dsp_busy, 100 * derived.lut_busy,
                   1e-6 * static_cast<double>(report.dram_bytes))
            << absl::StrFormat("waited: %d cycles for weights, %d for the drain, %d for banks\n", report.stall_weights,
                               report.stall_drain, report.stall_bank)
            << absl::StrFormat("%d values compared with the reference: %s\n", report.values,
                               report.bit_exact() ? "all equal" : report.first_mismatch);
}

absl::Status Run(const Options& options) {
  MSQ_ASSIGN_OR_RETURN(const CosimSettings settings, ReadSettings(options));
  MSQ_ASSIGN_OR_RETURN(const ir::Model model, format::ReadFile(options.artifact));
  MSQ_ASSIGN_OR_RETURN(const auto inputs, ReadInputs(model.graph, options));
  MSQ_ASSIGN_OR_RETURN(const CosimReport report, RunCosim(model.graph, inputs, settings));
  if (options.json) {
    std::cout << ToJson(report, options, settings.memory.clock_hz).dump(2) << "\n";
  } else {
    Print(report, settings.memory.clock_hz);
  }
  if (!options.html.empty()) {
    std::ofstream file(options.html);
    file << CosimHtml(model.graph.name, report, settings);
    file.close();
    if (!file) return absl::UnavailableError("cannot write " + options.html);
  }
  return report.bit_exact() ? absl::OkStatus() : absl::DataLossError("the accelerator's bits are not the reference's");
}

}  // namespace
}  // namespace msq::fpga

int main(int argc, char** argv) {
  msq::fpga::Options options;
  CLI::App app("Runs an artifact on a simulated accelerator and compares every bit with the reference");
  app.option_defaults()->always_capture_default();
  app.add_option("artifact", options.artifact, ".msq file")->required();
  app.add_option("--config", options.config, "configuration: docs/hw/registers.md lists them");
  app.add_option("--fidelity", options.fidelity, "model: transactions, cycles within 3 %; rtl: the verilated design");
  app.add_option("--input", options.inputs,
                 ".npy of an input's codes, in the network's order; one for each input; random without");
  app.add_option("--seed", options.seed, "of the random input");
  app.add_option("--clock-mhz", options.clock_mhz, "assumed")->check(CLI::Range(0.1, 10000.0));
  app.add_flag("--ideal-memory", options.ideal_memory, "DRAM without limits but a beat a cycle and port");
  app.add_flag("--json", options.json, "print JSON");
  app.add_option("--html", options.html, "write a page with timeline and roofline there");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const absl::Status status = msq::fpga::Run(options); !status.ok()) {
    std::cerr << "msq-cosim: " << msq::Message(status) << "\n";
    return 1;
  }
  return 0;
}
