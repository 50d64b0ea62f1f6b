// What quantization decides about a float graph before it looks at any data: which layers have 8-bit weights, which tensors
// share a type, and how many bits each has.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quantizer/float_graph.h"
#include "quantizer/options.h"

namespace msq::quantizer {

struct Plan {
  std::vector<bool> weights8;  // by node; false for nodes without weights
  std::vector<int> group;      // by value: values of one group share bits, scale and zero point
  std::vector<int> bits;       // by group
  std::vector<bool> raw;       // by value: a network output that stays an accumulator (N14)
};

// INVALID_ARGUMENT, listing the candidates, when options name a layer that does not exist.
absl::StatusOr<Plan> MakePlan(const FloatGraph& graph, const QuantizeOptions& options);

// True for operators whose output has the type of their inputs.
bool KeepsType(const FloatOp& op);

}  // namespace msq::quantizer
