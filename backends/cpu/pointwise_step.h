// Elementwise steps: Add and Rescale.
#pragma once

#include <memory>

#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/step.h"
#include "model/ir/graph.h"

namespace msq::cpu {

struct PointwiseOperands {
  ir::Shape shape;  // the IR's
  Buffer input;
  Buffer skip;  // of Add
  Buffer output;
  int output_bits = 8;
};

// One requantizer entry, or one per channel (first dimension of the shape).
std::unique_ptr<Step> MakePointwise(const KernelTable& kernels, const PointwiseOperands& operands,
                                    const ir::Requantizer& requantizer);

}  // namespace msq::cpu
