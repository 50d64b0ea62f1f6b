// Random weights and requantizer constants, at and inside the limits that the verifier sets.
#pragma once

#include <cstdint>
#include <vector>

#include "model/ir/op.h"
#include "tests/conformance/random_ops.h"

namespace msq::conformance {

// Schemes mixed by row. Rows hold random, sparse or largest values, cut off where N8 is reached.
ir::Weights RandomWeights(Random* random, int64_t rows, int64_t row_length, int input_bits);

// One entry per limit. Most spread accumulators of -limit..limit over all codes; some stand at the edges of their ranges.
ir::Requantizer RandomRequantizer(Random* random, const std::vector<int64_t>& limits, int output_bits, bool skip,
                                  bool leaky);

ir::RawOutput RandomRawOutput(Random* random, int64_t rows);

}  // namespace msq::conformance
