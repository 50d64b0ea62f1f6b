// Steps that move codes: Concat, ResizeNearest, Reshape, Pad, Slice.
#pragma once

#include <memory>
#include <vector>

#include "backends/cpu/step.h"
#include "model/ir/graph.h"

namespace msq::cpu {

// Shapes are the IR's.
struct CopyOperand {
  Buffer buffer;
  ir::Shape shape;
};

std::unique_ptr<Step> MakeConcat(const std::vector<CopyOperand>& inputs, const CopyOperand& output, int64_t axis);
std::unique_ptr<Step> MakeResizeNearest(const ir::ResizeNearest& op, const CopyOperand& input,
                                        const CopyOperand& output);
std::unique_ptr<Step> MakeReshape(const CopyOperand& input, const CopyOperand& output);
std::unique_ptr<Step> MakePad(const ir::Pad& op, const CopyOperand& input, const CopyOperand& output,
                              uint8_t zero_point);
std::unique_ptr<Step> MakeSlice(const ir::Slice& op, const CopyOperand& input, const CopyOperand& output);

}  // namespace msq::cpu
