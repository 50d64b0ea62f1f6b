#include "tests/conformance/engines.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/kernels/kernel_table.h"
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

}  // namespace

const std::vector<Engine>& Engines() {
  static const std::vector<Engine> engines = [] {
    std::vector<Engine> all;
    AddCpuEngines(&all);
    return all;
  }();
  return engines;
}

}  // namespace msq::conformance
