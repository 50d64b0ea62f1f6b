// Random valid graphs: every operator and attribute that the IR has, at sizes and constants that are apt to break kernels.
#pragma once

#include <cstdint>

#include "model/ir/graph.h"

namespace msq::conformance {

// The same seed gives the same graph on every machine. The graph verifies, and the reference runs a sample in milliseconds.
ir::Graph RandomGraph(uint64_t seed);

}  // namespace msq::conformance
