#include "backends/cpu/epilogue.h"

namespace msq::cpu {

PackedEpilogue::PackedEpilogue(const ir::Epilogue& epilogue, int64_t groups, int64_t max_code) : max_code_(max_code) {
  if (const auto* requantizer = std::get_if<ir::Requantizer>(&epilogue)) {
    requantizer_.emplace(*requantizer, groups);
    return;
  }
  biases_ = std::get<ir::RawOutput>(epilogue).biases;
  columns_per_group_ = static_cast<int64_t>(biases_.size()) / groups;
}

void PackedEpilogue::Store(const KernelTable& kernels, const EpilogueTile& tile) const {
  if (requantizer_) {
    kernels.requantize({.acc = tile.acc,
                        .codes = nullptr,
                        .in_stride = tile.acc_stride,
                        .row_count = tile.row_count,
                        .columns = tile.columns,
                        .constants = requantizer_->At(tile.group, tile.block),
                        .constant_step = kColumnBlock,
                        .skip = tile.skip,
                        .skip_stride = tile.stride,
                        .out = static_cast<uint8_t*>(tile.out),
                        .out_stride = tile.stride,
                        .max_code = max_code_});
    return;
  }
  const int32_t* biases = biases_.data() + tile.group * columns_per_group_ + tile.block * kColumnBlock;
  for (int64_t r = 0; r < tile.row_count; ++r) {
    const int32_t* acc = tile.acc + r * tile.acc_stride;
    int32_t* out = static_cast<int32_t*>(tile.out) + r * tile.stride;
    for (int64_t c = 0; c < tile.columns; ++c) out[c] = acc[c] + biases[c];
  }
}

}  // namespace msq::cpu
