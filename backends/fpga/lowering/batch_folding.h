// Several samples of a network as one sample of a wider network, for those that look at every pixel by itself.
#pragma once

#include <cstdint>
#include <optional>

#include "model/ir/graph.h"

namespace msq::fpga {

// The network whose tensors [C] (or [C,1,1]) have become [C,1,samples], sample s in column s: dense layers are 1x1
// convolutions, and a weight that is loaded once serves all samples. None for a network that has anything but dense
// layers, 1x1 convolutions, Add, Rescale, Reshape and Concat of channels on such tensors.
// Precondition: ir::Verify(graph) is OK, samples >= 1. The result is verified, too.
std::optional<ir::Graph> FoldBatch(const ir::Graph& graph, int64_t samples);

}  // namespace msq::fpga
