// Maximum pooling, copies and upsampling as VEC instructions.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "backends/fpga/lowering/conv_lowering.h"
#include "backends/fpga/lowering/program.h"
#include "backends/fpga/lowering/program_builder.h"
#include "model/ir/op.h"

namespace msq::fpga {

// Rows y0..y1-1 of the pooled tensor. `in_height` is the whole input's, of which `in` may be a strip.
absl::Status EmitMaxPool(const ir::Window& window, int64_t in_height, const Placed& in, const Placed& out, int64_t y0,
                         int64_t y1, ProgramBuilder* builder, LayerRecord* record);

// Part of an image to part of another, pixel (y, x) of the part to (y * step_y, x * step_x) of the other.
struct ImageCopy {
  int64_t height = 1, width = 1;
  int64_t from_y = 0;
  int64_t to_y = 0, to_x = 0, to_group = 0;
  int64_t step_y = 1, step_x = 1;
};
absl::Status EmitCopy(const ImageCopy& copy, const Placed& in, const Placed& out, ProgramBuilder* builder,
                      LayerRecord* record);

// Rows y0..y1-1 of `out`, in which each pixel of `in` stands factors[0] times below itself, factors[1] times beside.
absl::Status EmitResize(const std::array<int64_t, 2>& factors, const Placed& in, const Placed& out, int64_t y0,
                        int64_t y1, ProgramBuilder* builder, LayerRecord* record);

}  // namespace msq::fpga
