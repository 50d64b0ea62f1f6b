// Plain C++ kernels: what every other row of the table is compared with, and what a machine without vectors runs.
#include <algorithm>

#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {
namespace {

bool Supported() {
  return true;
}

void gemm_u8s8_scalar(const GemmParams& p) noexcept {
  const int64_t acc_stride = p.block_count * kColumnBlock;
  const int64_t block_bytes = p.depth_groups * kColumnBlock * kDepthGroup;
  for (int64_t r = 0; r < p.row_count; ++r) {
    const uint8_t* row = p.rows + r * p.row_stride;
    for (int64_t b = 0; b < p.block_count; ++b) {
      const int8_t* w = p.weights + b * block_bytes;
      int32_t acc[kColumnBlock] = {};
      for (int64_t d = 0; d < p.depth_groups; ++d, w += kColumnBlock * kDepthGroup) {
        const int32_t x0 = row[4 * d], x1 = row[4 * d + 1], x2 = row[4 * d + 2], x3 = row[4 * d + 3];
        for (int64_t c = 0; c < kColumnBlock; ++c) {
          acc[c] += x0 * w[4 * c] + x1 * w[4 * c + 1] + x2 * w[4 * c + 2] + x3 * w[4 * c + 3];
        }
      }
      std::copy_n(acc, kColumnBlock, p.acc + r * acc_stride + b * kColumnBlock);
    }
  }
}

void depthwise_u8s8_scalar(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    for (int64_t t = 0; t < p.tap_count; ++t) {
      const uint8_t* tap = p.taps[i * p.tap_count + t];
      for (int64_t c = 0; c < p.channels; ++c) p.acc[i * padded + c] += tap[c] * p.weights[t * padded + c];
    }
  }
}

void window_max_u8_scalar(const WindowParams& p) noexcept {
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    uint8_t* out = p.out + i * p.out_stride;
    for (int64_t t = 0; t < p.tap_count; ++t) {
      const uint8_t* tap = p.taps[i * p.tap_count + t];
      for (int64_t c = 0; c < p.channels; ++c) out[c] = std::max(out[c], tap[c]);
    }
  }
}

void window_sum_u8_scalar(const WindowParams& p) noexcept {
  const int64_t padded = RoundUp(p.channels, kColumnBlock);
  for (int64_t i = 0; i < p.pixel_count; ++i) {
    for (int64_t t = 0; t < p.tap_count; ++t) {
      const uint8_t* tap = p.taps[i * p.tap_count + t];
      for (int64_t c = 0; c < p.channels; ++c) p.acc[i * padded + c] += tap[c];
    }
  }
}

template <typename In>
void RequantizeRows(const RequantizeParams& p, const In* in) noexcept {
  const RequantizeConstants& k = p.constants;
  for (int64_t r = 0; r < p.row_count; ++r) {
    for (int64_t c = 0; c < p.columns; ++c) {
      const int64_t i = p.constant_step == 0 ? c % kColumnBlock : c;
      const int64_t acc = in[r * p.in_stride + c];
      const bool negative = k.thresholds != nullptr && acc < k.thresholds[i];
      int64_t sum =
          negative ? acc * k.negative_multipliers[i] + k.negative_addends[i] : acc * k.multipliers[i] + k.addends[i];
      if (k.skip_multipliers != nullptr) sum += p.skip[r * p.skip_stride + c] * k.skip_multipliers[i];
      const int64_t shifted = sum >> k.shifts[i];
      p.out[r * p.out_stride + c] = static_cast<uint8_t>(std::clamp<int64_t>(shifted, 0, p.max_code));
    }
  }
}

void requantize_s32_scalar(const RequantizeParams& p) noexcept {
  RequantizeRows(p, p.acc);
}
void requantize_u8_scalar(const RequantizeParams& p) noexcept {
  RequantizeRows(p, p.codes);
}

}  // namespace

const KernelTable kScalarKernels = {
    .name = "scalar",
    .supported = Supported,
    .gemm_rows = 4,
    .gemm_blocks = 1,
    .gemm = gemm_u8s8_scalar,
    .gemm_wide = gemm_u8s8_scalar,
    .depthwise = depthwise_u8s8_scalar,
    .window_max = window_max_u8_scalar,
    .window_sum = window_sum_u8_scalar,
    .requantize = requantize_s32_scalar,
    .requantize_codes = requantize_u8_scalar,
};

}  // namespace msq::cpu
