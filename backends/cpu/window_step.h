// Windows whose channels stay apart: depthwise Conv, MaxPool, AveragePool, GlobalAveragePool.
#pragma once

#include <memory>

#include "backends/cpu/gemm_step.h"
#include "backends/cpu/geometry.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/cpu/step.h"
#include "model/ir/op.h"

namespace msq::cpu {

// Precondition: groups = channels in = channels out.
std::unique_ptr<Step> MakeDepthwise(const KernelTable& kernels, const WeightedOperands& operands,
                                    const ir::Weights& weights, const ir::Epilogue& epilogue);

struct PoolOperands {
  Geometry geometry;
  Buffer input;
  uint8_t zero_point = 0;
  Buffer output;
  int output_bits = 8;
};

std::unique_ptr<Step> MakeMaxPool(const KernelTable& kernels, const PoolOperands& operands);
// GlobalAveragePool is a window as large as the image, with count_include_pad.
std::unique_ptr<Step> MakeAveragePool(const KernelTable& kernels, const PoolOperands& operands, bool count_include_pad,
                                      const ir::Requantizer& requantizer);

}  // namespace msq::cpu
