// Prints where a network's cycles go on the simulated accelerator of one configuration, layer by layer, as Markdown.
//
//   cosim_report_<configuration> resnet20|resnet18|resnet50|mobilenetv2|mobilenet|perceptron|lstm [ideal]
//
// Weights are invented, shapes are not, and cycles do not depend on values. Memory is the board's DDR3 behind its
// high-performance ports at 100 MHz, or one without limits. Ends with 1 when a bit differs from the reference. How fast
// the simulation was goes to standard error.
#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>

#include "backends/testing/synthetic_networks.h"
#include "hw/sim/kernels.h"
#include "model/ir/printer.h"
#include "tests/cosim/cosim.h"

namespace msq::testing {
namespace {

#define MSQ_TEXT_(x) #x
#define MSQ_TEXT(x) MSQ_TEXT_(x)
#define MSQ_JOIN_(a, b) a##b
#define MSQ_JOIN(a, b) MSQ_JOIN_(a, b)
constexpr char kConfiguration[] = MSQ_TEXT(MSQ_CONFIGURATION);
constexpr hw::KernelFactory kFactory = hw::MSQ_JOIN(CreateKernel_, MSQ_CONFIGURATION);

// Cycles from the completion of what came before to its own, for `count` instructions of a unit after the first `done`.
uint64_t CyclesOf(const std::vector<uint64_t>& completed, int64_t done, int64_t count) {
  if (count == 0) return 0;
  const uint64_t begin = done == 0 ? 0 : completed[static_cast<size_t>(done - 1)];
  return completed[static_cast<size_t>(done + count - 1)] - begin;
}

void Print(const CosimResult& result, const ir::Graph& graph, const hw::Configuration& configuration) {
  const auto& run = result.run;
  const auto& conv = run.completed[static_cast<size_t>(hw::Unit::kConv)];
  std::printf("| layer | kind | passes | steps | cycles | busy %% | weights, bytes | VEC, words |\n");
  std::printf("|---|---|---:|---:|---:|---:|---:|---:|\n");
  int64_t done = 0;
  for (const fpga::LayerRecord& layer : result.program.layers) {
    const uint64_t cycles = CyclesOf(conv, done, layer.convs);
    done += layer.convs;
    std::printf("| %s | %s | %" PRId64 " | %" PRId64 " | %" PRIu64 " | %.1f | %" PRId64 " | %" PRId64 " |\n",
                layer.node.c_str(), layer.kind.c_str(), layer.passes, layer.steps, cycles,
                cycles == 0 ? 0.0 : 100.0 * static_cast<double>(layer.steps) / static_cast<double>(cycles),
                layer.weight_bytes, layer.vec_words);
  }
  const double busy = 100.0 * static_cast<double>(run.steps) / static_cast<double>(run.cycles);
  std::printf("| **all** | | | %" PRIu64 " | %" PRIu64 " | %.1f | | |\n\n", run.steps, run.cycles, busy);
  std::printf("%.3f ms at 100 MHz; cycles without a step: %" PRIu64 " waiting for weights, %" PRIu64
              " for the drain, %" PRIu64 " for banks; DRAM: %" PRIu64 " bytes read, %" PRIu64 " written; %" PRId64
              " values, all as the reference has them\n",
              static_cast<double>(run.cycles) / 100e3, run.stall_weights, run.stall_drain, run.stall_bank,
              8 * run.read_beats, 8 * run.write_beats, result.values);
  int64_t macs = 0;
  for (const ir::Node& node : graph.nodes) macs += ir::MacCount(graph, node);
  const double array = configuration.p * 16.0 * configuration.lanes();  // MAC a cycle
  std::printf("%.3f GMAC: %.1f of the %.1f GOPS of an array of %d x 16 x %d at 100 MHz; %.0f MAC a byte of DRAM\n",
              static_cast<double>(macs) / 1e9, 0.2 * static_cast<double>(macs) / static_cast<double>(run.cycles),
              0.2 * array, configuration.p, configuration.lanes(),
              static_cast<double>(macs) / static_cast<double>(8 * (run.read_beats + run.write_beats)));
  std::fprintf(stderr, "%" PRIu64 " cycles simulated in %.1f s: %.1f thousand a second\n", run.cycles, run.host_seconds,
               static_cast<double>(run.cycles) / 1e3 / run.host_seconds);
}

int Main(const std::string& network, bool ideal) {
  const std::map<std::string, ir::Graph (*)()> networks = {
      {"resnet20", [] { return ResNetCifar(3); }},
      {"resnet18", ResNet18},
      {"resnet50", ResNet50},
      {"mobilenetv2", MobileNetV2},
      {"mobilenet", MobileNetLike},
      {"perceptron", Perceptron},
      {"lstm", LstmGates},
  };
  const auto it = networks.find(network);
  if (it == networks.end()) return std::fprintf(stderr, "no network '%s'\n", network.c_str()), 2;
  const hw::Configuration& configuration = *hw::FindConfiguration(kConfiguration);
  CosimOptions options;
  options.kernel = kFactory;
  options.memory =
      ideal ? hw::AxiMemoryOptions::Ideal(configuration.ports) : hw::AxiMemoryOptions::ZynqDdr3(configuration.ports);
  const ir::Graph graph = it->second();
  const auto result = Cosimulate(graph, configuration, options);
  if (!result.ok()) return std::fprintf(stderr, "%s\n", result.status().ToString().c_str()), 1;
  if (result->mismatches != 0 || result->memory.violations != 0) {
    return std::fprintf(stderr, "%" PRId64 " mismatches: %s; %" PRIu64 " violations of the bus: %s\n",
                        result->mismatches, result->first_mismatch.c_str(), result->memory.violations,
                        result->memory.first_violation.c_str()),
           1;
  }
  Print(*result, graph, configuration);
  return 0;
}

}  // namespace
}  // namespace msq::testing

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) return std::fprintf(stderr, "usage: cosim_report NETWORK [ideal]\n"), 2;
  return msq::testing::Main(argv[1], argc == 3 && std::string(argv[2]) == "ideal");
}
