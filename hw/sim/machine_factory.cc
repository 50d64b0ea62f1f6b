#include "hw/sim/machine_factory.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "base/status.h"
#include "hw/regs/registers.h"
#include "hw/sim/library_folder.h"
#include "hw/sim/rtl_module.h"

namespace msq::hw {
namespace {

// A module stays loaded for ever: its machines' code is in it.
absl::StatusOr<RtlMachineFactory> LoadModule(std::string_view configuration) {
  const std::string path = absl::StrCat(LibraryFolder(), "/libmsq_rtl_", std::string(configuration), ".so");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return NotFound("no simulation of the RTL: there is no ", path, "; build the target msq_rtl_",
                    std::string(configuration), ", or set MSQ_LIBRARY_DIR to the folder that has it");
  }
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (module == nullptr) return FailedPrecondition(path, " cannot be loaded: ", dlerror());
  void* factory = dlsym(module, kRtlMachineFactory);
  if (factory == nullptr) return FailedPrecondition(path, " has no ", kRtlMachineFactory);
  return reinterpret_cast<RtlMachineFactory>(factory);
}

absl::StatusOr<std::unique_ptr<Machine>> CreateRtlMachine(const Configuration& configuration,
                                                          const AxiMemoryOptions& memory) {
  MSQ_ASSIGN_OR_RETURN(const RtlMachineFactory factory, LoadModule(configuration.name));
  std::unique_ptr<Machine> machine(factory(memory));
  const uint32_t build_id = machine->ReadRegister(kBuildIdRegister);
  if (build_id != configuration.build_id) {
    return FailedPrecondition("libmsq_rtl_", std::string(configuration.name), ".so has build id ", absl::Hex(build_id),
                              ", the configuration has ", absl::Hex(configuration.build_id), ": build it again");
  }
  return machine;
}

}  // namespace

absl::StatusOr<Fidelity> ParseFidelity(std::string_view name) {
  if (name == "model") return Fidelity::kModel;
  if (name == "rtl") return Fidelity::kRtl;
  return InvalidArgument("fidelity \"", std::string(name), "\" is neither model nor rtl");
}

std::string_view FidelityName(Fidelity fidelity) {
  return fidelity == Fidelity::kModel ? "model" : "rtl";
}

absl::StatusOr<std::unique_ptr<Machine>> CreateMachine(const Configuration& configuration, Fidelity fidelity,
                                                       const AxiMemoryOptions& memory, ModelChecks checks) {
  AxiMemoryOptions options = memory;
  options.ports = configuration.ports;
  if (fidelity == Fidelity::kRtl) return CreateRtlMachine(configuration, options);
  return CreateModelMachine(configuration, options, checks);
}

}  // namespace msq::hw
