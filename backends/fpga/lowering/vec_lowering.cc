#include "backends/fpga/lowering/vec_lowering.h"

#include <algorithm>

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

}  // namespace

absl::Status EmitMaxPool(const ir::Window& window, int64_t in_height, const Placed& in, const Placed& out, int64_t y0,
                         int64_t y1, ProgramBuilder* builder, LayerRecord* record) {
  const auto [kernel_h, kernel_w] = window.kernel;
  const auto [stride_y, stride_x] = window.strides;
  const auto [dilation_y, dilation_x] = window.dilations;
  const int64_t width = out.layout.width, in_width = in.layout.width;
  const bool pads = window.pads[0] > 0 || window.pads[1] > 0 ||
                    (out.layout.height - 1) * stride_y + (kernel_h - 1) * dilation_y >= in_height ||
                    (width - 1) * stride_x + (kernel_w - 1) * dilation_x >= in_width;
  if (pads && (dilation_y > 1 || dilation_x > 1)) return Unimplemented("maximum pooling with dilation and padding");
  hw::VecFields vec;
  SetShape(in, out, y1 - y0, width, builder, &vec);
  vec.kernel_h = kernel_h;
  vec.kernel_w = kernel_w;
  vec.stride_y = stride_y;
  vec.stride_x = stride_x;
  const int64_t first_y = y0 * stride_y - window.pads[0];
  vec.first_y = first_y - in.first_row;
  vec.first_x = -window.pads[1];
  const Strides from(in.layout, y1 - y0, width, stride_y, stride_x);
  const Strides to(out.layout, y1 - y0, width, 1, 1);
  vec.in = builder->Address(in.Row(first_y) - window.pads[1]);
  vec.in_tap = builder->Address(dilation_x);
  vec.in_tap_row = builder->Address(dilation_y * in_width - (kernel_w - 1) * dilation_x);
  vec.in_pixel = builder->Address(from.pixel);
  vec.in_row = builder->Address(from.row);
  vec.in_group = builder->Address(from.group);
  vec.out = builder->Address(out.Row(y0));
  vec.out_pixel = builder->Address(to.pixel);
  vec.out_row = builder->Address(to.row);
  vec.out_group = builder->Address(to.group);
  const int64_t last_y = first_y + (y1 - y0 - 1) * stride_y + (kernel_h - 1) * dilation_y;
  record->vec_words += (y1 - y0) * width * kernel_h * kernel_w * in.layout.groups() * in.layout.planes();
  return builder->Vec(vec, {in.Rows(first_y, last_y + 1, in.layout.groups()), out.Rows(y0, y1, in.layout.groups())});
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
