#include "backends/cpu/box_copy.h"

#include <cstring>
#include <utility>

namespace msq::cpu {
namespace {

// memcpy, because the caller's buffers need not be aligned.
template <typename T>
void CopyStrided(const std::byte* in, std::byte* out, int64_t count, int64_t in_stride, int64_t out_stride) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(out + i * out_stride * static_cast<int64_t>(sizeof(T)),
                in + i * in_stride * static_cast<int64_t>(sizeof(T)), sizeof(T));
  }
}

void CopyInner(const BoxCopy& box, const std::byte* in, std::byte* out) {
  constexpr size_t kInner = BoxCopy::kDimensions - 1;
  const int64_t count = box.extents[kInner], in_stride = box.in_strides[kInner], out_stride = box.out_strides[kInner];
  if (in_stride == 1 && out_stride == 1) {
    std::memcpy(out, in, static_cast<size_t>(count * box.element_bytes));
  } else if (box.element_bytes == 1) {
    CopyStrided<uint8_t>(in, out, count, in_stride, out_stride);
  } else {
    CopyStrided<int32_t>(in, out, count, in_stride, out_stride);
  }
}

void CopyDimension(const BoxCopy& box, size_t dimension, const std::byte* in, std::byte* out) {
  if (dimension + 1 == BoxCopy::kDimensions) return CopyInner(box, in, out);
  for (int64_t i = 0; i < box.extents[dimension]; ++i) {
    CopyDimension(box, dimension + 1, in + i * box.in_strides[dimension] * box.element_bytes,
                  out + i * box.out_strides[dimension] * box.element_bytes);
  }
}

// Row-major [C,H,W] beside [H][W][C], or the same order twice. The longer of C and W goes innermost.
BoxCopy BetweenOrders(const ir::Shape& shape, int64_t element_bytes) {
  BoxCopy box;
  box.element_bytes = element_bytes;
  if (shape.size() != 3) {
    box.extents[4] = ir::ElementCount(shape);
    box.in_strides[4] = box.out_strides[4] = 1;
    return box;
  }
  const int64_t channels = shape[0], height = shape[1], width = shape[2];
  const size_t c = channels > width ? 4 : 3, w = channels > width ? 3 : 4;
  box.extents[2] = height;
  box.in_strides[2] = width;
  box.out_strides[2] = width * channels;
  box.extents[c] = channels;
  box.in_strides[c] = height * width;
  box.out_strides[c] = 1;
  box.extents[w] = width;
  box.in_strides[w] = 1;
  box.out_strides[w] = channels;
  return box;
}

}  // namespace

void BoxCopy::Run(const void* in, void* out) const {
  CopyDimension(*this, 0, static_cast<const std::byte*>(in) + in_offset * element_bytes,
                static_cast<std::byte*>(out) + out_offset * element_bytes);
}

Strides::Strides(const ir::Shape& shape) {
  if (shape.size() == 3) {
    values = {1, shape[2] * shape[0], shape[0]};
    return;
  }
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    values[i] = stride;
    stride *= shape[i];
  }
}

BoxCopy FromRowMajor(const ir::Shape& shape, int64_t element_bytes) {
  return BetweenOrders(shape, element_bytes);
}

BoxCopy ToRowMajor(const ir::Shape& shape, int64_t element_bytes) {
  BoxCopy box = BetweenOrders(shape, element_bytes);
  std::swap(box.in_strides, box.out_strides);
  return box;
}

}  // namespace msq::cpu
