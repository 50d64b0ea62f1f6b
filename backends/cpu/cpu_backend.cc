#include "backends/cpu/cpu_backend.h"

#include <cstdlib>
#include <exception>
#include <string>

#include "absl/strings/str_join.h"
#include "backends/cpu/executable.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/planner.h"
#include "base/status.h"

namespace msq::cpu {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const KernelTable& kernels) : kernels_(kernels) {}

  std::string_view name() const override { return "cpu"; }
  Capabilities capabilities() const override {
    Capabilities capabilities;
    capabilities.device = absl::StrCat("cpu ", kernels_.name);
    return capabilities;
  }

  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph& graph,
                                                      const PrepareOptions& options) const override {
    if (options.threads < 1) return InvalidArgument("threads ", options.threads, " is not positive");
    try {
      MSQ_ASSIGN_OR_RETURN(Plan plan, MakePlan(graph, kernels_));
      return std::make_unique<CpuExecutable>(graph, std::move(plan), options.threads);
    } catch (
        const std::exception& error) {  // bad_alloc, and length_error of a container that could never be that large
      return absl::ResourceExhaustedError(absl::StrCat("no memory to prepare '", graph.name, "': ", error.what()));
    }
  }

 private:
  const KernelTable& kernels_;
};

absl::StatusOr<const KernelTable*> FindKernels(std::string_view name) {
  std::vector<std::string> known;
  for (const KernelTable* table : Kernels()) {
    if (table->name == name) {
      if (table->supported()) return table;
      return FailedPrecondition("this machine cannot run the '", table->name, "' kernels");
    }
    known.emplace_back(table->name);
  }
  return InvalidArgument("unknown kernel '", std::string(name), "'; there are: ", absl::StrJoin(known, ", "));
}

const KernelTable* FastestKernels() {
  const KernelTable* fastest = &kScalarKernels;
  for (const KernelTable* table : Kernels()) {
    if (table->supported()) fastest = table;
  }
  return fastest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(std::string_view kernel) {
  const char* forced = std::getenv("MSQ_FORCE_KERNEL");
  if (kernel.empty() && forced != nullptr) kernel = forced;
  const KernelTable* table = FastestKernels();
  if (!kernel.empty()) {
    MSQ_ASSIGN_OR_RETURN(table, FindKernels(kernel));
  }
  return std::make_unique<CpuBackend>(*table);
}

}  // namespace msq::cpu
