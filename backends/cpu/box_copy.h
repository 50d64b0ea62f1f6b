// All movement of elements without arithmetic: a box of up to five dimensions, read and written with strides.
#pragma once

#include <array>
#include <cstdint>

#include "model/ir/graph.h"

namespace msq::cpu {

struct BoxCopy {
  static constexpr size_t kDimensions = 5;
  std::array<int64_t, kDimensions> extents = {1, 1, 1, 1, 1};
  std::array<int64_t, kDimensions> in_strides = {};   // elements
  std::array<int64_t, kDimensions> out_strides = {};  // elements
  int64_t in_offset = 0;                              // elements
  int64_t out_offset = 0;                             // elements
  int64_t element_bytes = 1;

  void Run(const void* in, void* out) const;
};

// Dimensions and strides of a tensor as it lies in a buffer: images with the channel last, all else row-major. Indexed by
// the IR's dimensions.
struct Strides {
  explicit Strides(const ir::Shape& shape);
  std::array<int64_t, BoxCopy::kDimensions> values = {};
};

// Between the row-major order of the API and the order in a buffer.
BoxCopy FromRowMajor(const ir::Shape& shape, int64_t element_bytes);
BoxCopy ToRowMajor(const ir::Shape& shape, int64_t element_bytes);

}  // namespace msq::cpu
