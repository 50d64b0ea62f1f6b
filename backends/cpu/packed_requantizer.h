// Requantizer constants in the form that the kernels read: widened, one array a constant, padded to whole column blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cpu/kernels/kernel_table.h"
#include "model/ir/op.h"

namespace msq::cpu {

// One entry per column. Columns come in groups (of a grouped convolution), each padded to whole blocks.
class PackedRequantizer {
 public:
  PackedRequantizer() = default;
  PackedRequantizer(const ir::Requantizer& requantizer, int64_t groups);

  // Constants from the first column of `block` of `group` on.
  RequantizeConstants At(int64_t group, int64_t block) const;

 private:
  int64_t columns_per_group_ = 0;  // padded
  std::vector<int64_t> multipliers_, addends_, shifts_, skip_multipliers_;
  std::vector<int64_t> thresholds_, negative_multipliers_, negative_addends_;
};

// One entry for any number of columns: a single block that is used with constant_step 0.
class UniformRequantizer {
 public:
  UniformRequantizer(const ir::Requantizer& requantizer, int64_t entry);
  RequantizeConstants constants() const;

 private:
  enum Field { kMultiplier, kAddend, kShift, kSkip, kThreshold, kNegativeMultiplier, kNegativeAddend, kFields };
  void Fill(Field field, int64_t value);

  bool has_skip_;
  bool is_leaky_;
  int64_t values_[kFields][kColumnBlock];
};

}  // namespace msq::cpu
