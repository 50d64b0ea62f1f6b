// The sum of products of activation codes and weights: where the functional model's time goes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace msq::hw {

// sum of a[i] * w[i], i < count. a[i] <= 15 and |w[i]| <= 8; count is a multiple of 16, below 2^24.
int32_t DotProduct(const uint8_t* a, const int8_t* w, size_t count);

}  // namespace msq::hw
