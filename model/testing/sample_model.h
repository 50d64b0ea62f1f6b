// A small model for tests that holds every executable operator, every scheme, both activation widths, a residual, a
// leaky ReLU, an image input with normalisation and a labelled raw output. Input "pixels" [3,8,8], output "logits"
// [10].
#pragma once

#include "model/ir/model.h"

namespace msq::testing {

// The same model at every call. Verifies.
ir::Model SampleModel();

// One requantizer entry list of `entries` equal entries y = clamp(floor(acc * scale + zero_point + 1/2)): M/2^S ~
// scale. Precondition: 2^-30 < scale < 1.
ir::Requantizer UniformRequantizer(size_t entries, double scale, int zero_point);

// Rows of deterministic values that differ by `seed`; schemes cycle through `schemes`.
ir::Weights PatternWeights(int64_t rows, int64_t row_length, const std::vector<ir::Scheme>& schemes, uint32_t seed);

}  // namespace msq::testing
