// Makes a machine of any configuration at either fidelity.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "hw/sim/machine.h"
#include "hw/sim/model_checks.h"

namespace msq::hw {

// Both give the same bits. kModel is fast; kRtl is the design itself, verilated.
enum class Fidelity : uint8_t { kModel, kRtl };

// "model" or "rtl".
absl::StatusOr<Fidelity> ParseFidelity(std::string_view name);
std::string_view FidelityName(Fidelity fidelity);

// kRtl loads libmsq_rtl_<configuration>.so from LibraryFolder(): NOT_FOUND if it has not been built, FAILED_PRECONDITION
// if it was built from another design. `memory.ports` is set here. `checks` are of
// kModel.
absl::StatusOr<std::unique_ptr<Machine>> CreateMachine(const Configuration& configuration, Fidelity fidelity,
                                                       const AxiMemoryOptions& memory,
                                                       ModelChecks checks = ModelChecks::kCheap);

}  // namespace msq::hw
