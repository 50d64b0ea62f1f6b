// Graphs of one large operator each, for the paths that the small random graphs never reach: windows taken in several runs
// of taps, elementwise work split into pieces, matrix rows so long that a tile holds few of them.
#pragma once

#include <vector>

#include "model/ir/graph.h"

namespace msq::conformance {

// Every graph verifies and is named for what is large about it.
std::vector<ir::Graph> LargeCases();

}  // namespace msq::conformance
