// Executes float nodes, one sample at a time: what calibration observes and what the quantized network is compared with.
// Not bit-exact with anything; fast enough for some hundred images.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "quantizer/float_graph.h"

namespace msq::quantizer {

using FloatTensor = std::vector<float>;

// The input patch under output positions positions[i] of one group: out[k * positions.size() + i], k as a weight row.
void GatherPatches(const Linear& op, const ir::Shape& input_shape, const float* input, int64_t group,
                   std::span<const int64_t> positions, const ir::Shape& output_shape, float* out);

// W x + bias: nothing after it.
FloatTensor RunWeights(const Linear& op, const ir::Shape& input_shape, const FloatTensor& input,
                       const ir::Shape& output_shape);
// The rest of a Linear, in place: skip, activation, post.
void FinishLinear(const Linear& op, const FloatTensor* skip, FloatTensor& values);

FloatTensor RunNode(const FloatGraph& graph, const FloatNode& node, std::span<const FloatTensor* const> inputs);

// Runs one sample; calls observe(value, tensor) for the input and for every node's output as soon as it exists.
void RunGraph(const FloatGraph& graph, const FloatTensor& input,
              const std::function<void(ValueId, const FloatTensor&)>& observe);

}  // namespace msq::quantizer
