#include "backends/fpga/lowering/vec_lowering.h"

#include <algorithm>
#include <vector>

#include "base/status.h"

namespace msq::fpga {
namespace {

// Distances of the nested loops of VEC over one image: pixel by pixel at some steps, row by row, group by group.
struct Strides {
  int64_t pixel, row, group;
  Strides(const ImageLayout& layout, int64_t height, int64_t width, int64_t step_y, int64_t step_x)
      : pixel(step_x),
        row(step_y * layout.width - (width - 1) * step_x),
        group(layout.group_words() - (height - 1) * step_y * layout.width - (width - 1) * step_x) {}
};

void SetShape(const Placed& in, const Placed& out, int64_t height, int64_t width, ProgramBuilder* builder,
              hw::VecFields* vec) {
  vec->wide = in.layout.bits == 8;
  vec->groups = in.layout.groups();
  vec->out_height = height;
  vec->out_width = width;
  vec->in_height = in.layout.height;
  vec->in_width = in.layout.width;
  vec->in_plane = builder->Address(in.layout.plane_words());
  vec->out_plane = builder->Address(out.layout.plane_words());
}

// Outputs along one axis whose windows have the same taps inside the image.
struct Run {
  int64_t first, count;     // outputs
  int64_t first_tap, taps;  // of each window
};
std::vector<Run> RunsOf(int64_t begin, int64_t end, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation,
                        int64_t length) {
  std::vector<Run> runs;
  for (int64_t output = begin; output < end; ++output) {
    const int64_t start = output * stride - pad;
    const int64_t first_tap = start >= 0 ? 0 : CeilDiv(-start, dilation);
    const int64_t taps = std::min(kernel, CeilDiv(length - start, dilation)) - first_tap;
    if (!runs.empty() && runs.back().first_tap == first_tap && runs.back().taps == taps) {
      ++runs.back().count;
    } else {
      runs.push_back({output, 1, first_tap, taps});
    }
  }
  return runs;
}

// Pools one block of outputs. With `masked`, taps outside the image are left out, otherwise all are taken to be inside.
absl::Status EmitPoolBlock(const ir::Window& window, const Run& rows, const Run& columns, bool masked, const Placed& in,
                           const Placed& out, ProgramBuilder* builder, LayerRecord* record) {
  const auto [stride_y, stride_x] = window.strides;
  const auto [dilation_y, dilation_x] = window.dilations;
  const int64_t first_y = rows.first * stride_y - window.pads[0] + rows.first_tap * dilation_y;
  const int64_t first_x = columns.first * stride_x - window.pads[1] + columns.first_tap * dilation_x;
  hw::VecFields vec;
  SetShape(in, out, rows.count, columns.count, builder, &vec);
  vec.kernel_h = rows.taps;
  vec.kernel_w = columns.taps;
  if (masked) {
    vec.stride_y = stride_y;
    vec.stride_x = stride_x;
    vec.first_y = first_y - in.first_row;
    vec.first_x = first_x;
  } else {
    vec.in_height = rows.taps;
    vec.in_width = columns.taps;
  }
  const Strides from(in.layout, rows.count, columns.count, stride_y, stride_x);
  const Strides to(out.layout, rows.count, columns.count, 1, 1);
  vec.in = builder->Address(in.Row(first_y) + first_x);
  vec.in_tap = builder->Address(dilation_x);
  vec.in_tap_row = builder->Address(dilation_y * in.layout.width - (columns.taps - 1) * dilation_x);
  vec.in_pixel = builder->Address(from.pixel);
  vec.in_row = builder->Address(from.row);
  vec.in_group = builder->Address(from.group);
  vec.out = builder->Address(out.Row(rows.first) + columns.first);
  vec.out_pixel = builder->Address(to.pixel);
  vec.out_row = builder->Address(to.row);
  vec.out_group = builder->Address(to.group);
  const int64_t last_y = first_y + (rows.count - 1) * stride_y + (rows.taps - 1) * dilation_y;
  const int64_t groups = in.layout.groups();
  record->vec_words += rows.count * columns.count * rows.taps * columns.taps * groups * in.layout.planes();
  return builder->Vec(vec,
                      {in.Rows(first_y, last_y + 1, groups), out.Rows(rows.first, rows.first + rows.count, groups)});
}

}  // namespace

absl::Status EmitMaxPool(const ir::Window& window, int64_t in_height, const Placed& in, const Placed& out, int64_t y0,
                         int64_t y1, ProgramBuilder* builder, LayerRecord* record) {
  const auto [kernel_h, kernel_w] = window.kernel;
  const auto [stride_y, stride_x] = window.strides;
  const auto [dilation_y, dilation_x] = window.dilations;
  const int64_t width = out.layout.width;
  if (dilation_y == 1 && dilation_x == 1) {
    // A part of the rows for each engine.
    const int64_t parts = std::min<int64_t>(builder->configuration().vecs, y1 - y0);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = y0 + (y1 - y0) * part / parts, end = y0 + (y1 - y0) * (part + 1) / parts;
      MSQ_RETURN_IF_ERROR(EmitPoolBlock(window, {begin, end - begin, 0, kernel_h}, {0, width, 0, kernel_w}, true, in,
                                        out, builder, record));
    }
    return absl::OkStatus();
  }
  // VEC tells padding by coordinates that know no dilation: blocks without any.
  for (const Run& rows : RunsOf(y0, y1, stride_y, window.pads[0], kernel_h, dilation_y, in_height)) {
    for (const Run& columns : RunsOf(0, width, stride_x, window.pads[1], kernel_w, dilation_x, in.layout.width)) {
      MSQ_RETURN_IF_ERROR(EmitPoolBlock(window, rows, columns, false, in, out, builder, record));
    }
  }
  return absl::OkStatus();
}

absl::Status EmitCopy(const ImageCopy& copy, const Placed& in, const Placed& out, ProgramBuilder* builder,
                      LayerRecord* record) {
  hw::VecFields vec;
  SetShape(in, out, copy.height, copy.width, builder, &vec);
  vec.kernel_h = vec.kernel_w = 1;
  vec.stride_y = vec.stride_x = 1;
  const Strides from(in.layout, copy.height, copy.width, 1, 1);
  const Strides to(out.layout, copy.height, copy.width, copy.step_y, copy.step_x);
  vec.in = builder->Address(in.Row(copy.from_y));
  vec.in_pixel = builder->Address(from.pixel);
  vec.in_row = builder->Address(from.row);
  vec.in_group = builder->Address(from.group);
  const int64_t group = copy.to_group * out.layout.group_words();
  vec.out = builder->Address(out.Row(copy.to_y) + copy.to_x + group);
  vec.out_pixel = builder->Address(to.pixel);
  vec.out_row = builder->Address(to.row);
  vec.out_group = builder->Address(to.group);
  Placed written = out;
  written.base += group;
  const int64_t last_y = copy.to_y + (copy.height - 1) * copy.step_y;
  record->vec_words += copy.height * copy.width * in.layout.groups() * in.layout.planes();
  return builder->Vec(vec, {in.Rows(copy.from_y, copy.from_y + copy.height, in.layout.groups()),
                            written.Rows(copy.to_y, last_y + 1, in.layout.groups())});
}

}  // namespace msq::fpga
