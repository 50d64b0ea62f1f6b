// From real weights to the integers of each row's scheme.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/ir/op.h"
#include "quantizer/float_graph.h"

namespace msq::quantizer {

// The scheme's integer nearest to `steps` (weight / unit); ties go to the smaller magnitude.
int8_t NearestLevel(numerics::Scheme scheme, float steps);

// The alpha that minimises the squared error of the row when every weight goes to its nearest level.
float FitAlpha(std::span<const float> row, numerics::Scheme scheme);

// What rounding may use about a layer's inputs: for each group the covariance of its patches, or none.
struct InputStatistics {
  std::vector<Eigen::MatrixXf> covariance;  // [groups] of row_length x row_length; empty: round to nearest
};

// Quantizes `linear` by `schemes`. `max_code` is the largest input code: the rows are kept within |acc| < 2^23 (N8), if need
// be with a larger alpha; `widened` counts the rows where that was so. `min_alpha`, [rows] or empty, bounds alpha from below.
ir::Weights QuantizeWeights(const Linear& linear, const std::vector<numerics::Scheme>& schemes,
                            const InputStatistics& statistics, int max_code, const std::vector<float>& min_alpha,
                            ThreadPool& pool, int* widened);

// The real weights that `weights` stand for.
std::vector<float> Dequantize(const ir::Weights& weights);

}  // namespace msq::quantizer
