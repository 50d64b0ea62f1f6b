// What a graph exercises, so that the suite can prove that its random graphs exercise everything.
#pragma once

#include <map>
#include <string>

#include "model/ir/graph.h"

namespace msq::conformance {

// How often each feature was met; every feature there is has an entry from the start.
using FeatureCounts = std::map<std::string, int>;
FeatureCounts AllFeatures();

void CountFeatures(const ir::Graph& graph, FeatureCounts* counts);

}  // namespace msq::conformance
