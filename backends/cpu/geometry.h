// A window sliding over an image, as the steps see it.
#pragma once

#include <cstdint>

#include "model/ir/graph.h"

namespace msq::cpu {

struct Image {
  int64_t channels = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t pixels() const { return height * width; }
};

inline Image ImageOf(const ir::Shape& shape) {
  return {.channels = shape[0], .height = shape[1], .width = shape[2]};
}

struct Geometry {
  Image in;
  Image out;
  ir::Window window;

  int64_t taps() const { return window.kernel[0] * window.kernel[1]; }
  // The input row (column) under tap t of output row (column) o; outside the image where there is padding.
  int64_t InputY(int64_t o, int64_t t) const {
    return o * window.strides[0] - window.pads[0] + t * window.dilations[0];
  }
  int64_t InputX(int64_t o, int64_t t) const {
    return o * window.strides[1] - window.pads[1] + t * window.dilations[1];
  }
};

}  // namespace msq::cpu
