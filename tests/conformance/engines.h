// Every engine that must agree with the reference: backend, kernel and thread count crossed. A new backend adds its rows in
// engines.cc and is thereby under the whole suite.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/backend.h"

namespace msq::conformance {

struct Engine {
  std::string name;  // "cpu avx2, 2 threads"
  // The executable may use what the engine holds, so it must not outlive the engine.
  std::function<absl::StatusOr<std::unique_ptr<Executable>>(const ir::Graph&)> prepare;
};

// The engines that this machine can run. Those it cannot are named on stderr at the first call.
const std::vector<Engine>& Engines();

}  // namespace msq::conformance
