// Conv and Dense as a matrix product: one row per output pixel of the whole batch, one column per output channel.
#pragma once

#include <memory>

#include "backends/cpu/geometry.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/step.h"
#include "model/ir/op.h"

namespace msq::cpu {

// What Conv and Dense share; for Dense an image of one pixel.
struct WeightedOperands {
  Geometry geometry;
  int64_t groups = 1;
  Buffer input;
  int input_bits = 8;
  uint8_t zero_point = 0;
  Buffer skip;  // read when the requantizer has skip multipliers
  Buffer output;
  int output_bits = 8;  // of codes
};

std::unique_ptr<Step> MakeGemm(const KernelTable& kernels, const WeightedOperands& operands, const ir::Weights& weights,
                               const ir::Epilogue& epilogue);

}  // namespace msq::cpu
