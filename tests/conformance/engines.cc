#include "tests/conformance/engines.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/fpga/device_spec.h"
#include "backends/fpga/fpga_backend.h"
#include "base/check.h"

namespace msq::conformance {
namespace {

void AddCpuEngines(std::vector<Engine>* engines) {
  for (const cpu::KernelTable* kernels : cpu::Kernels()) {
    if (!kernels->supported()) {
      std::fprintf(stderr, "this machine cannot run the '%s' kernels: not checked\n", kernels->name);
      continue;
    }
    auto created = cpu::CreateCpuBackend(kernels->name);
    MSQ_CHECK(created.ok());
    const std::shared_ptr<Backend> backend = *std::move(created);
    for (int threads : {1, 2}) {
      engines->push_back({absl::StrCat("cpu ", kernels->name, ", ", threads, threads == 1 ? " thread" : " threads"),
                          [backend, threads](const ir::Graph& graph) { return backend->Prepare(graph, {threads}); }});
    }
  }
}

// The whole backend on the transaction model, for arrays whose lanes stand in either order.
void AddFpgaEngines(std::vector<Engine>* engines) {
  static const std::unique_ptr<Backend> cpu = *cpu::CreateCpuBackend();
  for (const char* configuration : {"tiny", "paper_z020"}) {
    const auto spec = fpga::ParseDeviceSpec(absl::StrCat("emulated,hang-ms=600000,configuration=", configuration), 0);
    MSQ_CHECK(spec.ok());
    fpga::FpgaBackendOptions options;
    options.configuration = spec->configuration;
    options.devices = {spec->device};
    auto created = fpga::CreateFpgaBackend(options, cpu.get());
    MSQ_CHECK(created.ok());
    const std::shared_ptr<Backend> backend = *std::move(created);
    engines->push_back({absl::StrCat("fpga ", configuration),
                        [backend](const ir::Graph& graph) { return backend->Prepare(graph, {}); }});
  }
}

}  // namespace

const std::vector<Engine>& Engines() {
  static const std::vector<Engine> engines = [] {
    std::vector<Engine> all;
    AddCpuEngines(&all);
    AddFpgaEngines(&all);
    return all;
  }();
  return engines;
}

}  // namespace msq::conformance
