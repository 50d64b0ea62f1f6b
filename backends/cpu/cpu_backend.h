// The CPU backend: bit-exact, vectorised, multi-threaded execution of a graph on the machine's own cores.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/backend.h"

namespace msq::cpu {

// `kernel` names a row of the kernel table ("scalar", "avx2", "avx512vnni"); empty picks the fastest that the machine
// has, unless the environment variable MSQ_FORCE_KERNEL names one. INVALID_ARGUMENT for an unknown name,
// FAILED_PRECONDITION for an instruction set that the machine lacks.
absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(std::string_view kernel = "");

}  // namespace msq::cpu
