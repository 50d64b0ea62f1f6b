// From a tile of accumulators to what a Conv or Dense stores: requantized codes, or raw sums.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/cpu/packed_requantizer.h"
#include "model/ir/op.h"

namespace msq::cpu {

// Rows of one sample, `out_stride` and `skip_stride` elements apart.
struct EpilogueTile {
  const int32_t* acc;
  int64_t acc_stride;
  int64_t row_count;
  int64_t columns;
  int64_t group;
  int64_t block;  // of the first column, in the group
  const uint8_t* skip;
  void* out;  // uint8_t or int32_t
  int64_t stride;
};

class PackedEpilogue {
 public:
  PackedEpilogue(const ir::Epilogue& epilogue, int64_t groups, int64_t max_code);

  int64_t element_bytes() const { return requantizer_ ? 1 : 4; }
  void Store(const KernelTable& kernels, const EpilogueTile& tile) const;

 private:
  std::optional<PackedRequantizer> requantizer_;
  std::vector<int32_t> biases_;  // of a raw output
  int64_t columns_per_group_ = 0;
  int64_t max_code_;
};

}  // namespace msq::cpu
