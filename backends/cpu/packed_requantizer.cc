#include "backends/cpu/packed_requantizer.h"

#include <algorithm>

namespace msq::cpu {
namespace {

// Spreads `values` over groups of `padded` columns; padding columns are 0.
template <typename T>
std::vector<int64_t> Spread(const std::vector<T>& values, int64_t groups, int64_t padded) {
  std::vector<int64_t> out;
  if (values.empty()) return out;
  out.resize(static_cast<size_t>(groups * padded));
  const int64_t columns = static_cast<int64_t>(values.size()) / groups;
  for (int64_t group = 0; group < groups; ++group) {
    std::copy_n(values.begin() + group * columns, columns, out.begin() + group * padded);
  }
  return out;
}

const int64_t* From(const std::vector<int64_t>& values, int64_t offset) {
  return values.empty() ? nullptr : values.data() + offset;
}

}  // namespace

PackedRequantizer::PackedRequantizer(const ir::Requantizer& requantizer, int64_t groups)
    : columns_per_group_(RoundUp(static_cast<int64_t>(requantizer.multipliers.size()) / groups, kColumnBlock)),
      multipliers_(Spread(requantizer.multipliers, groups, columns_per_group_)),
      addends_(Spread(requantizer.addends, groups, columns_per_group_)),
      shifts_(Spread(requantizer.shifts, groups, columns_per_group_)),
      skip_multipliers_(Spread(requantizer.skip_multipliers, groups, columns_per_group_)) {
  if (!requantizer.leaky) return;
  thresholds_ = Spread(requantizer.leaky->thresholds, groups, columns_per_group_);
  negative_multipliers_ = Spread(requantizer.leaky->multipliers, groups, columns_per_group_);
  negative_addends_ = Spread(requantizer.leaky->addends, groups, columns_per_group_);
}

RequantizeConstants PackedRequantizer::At(int64_t group, int64_t block) const {
  const int64_t offset = group * columns_per_group_ + block * kColumnBlock;
  return {.multipliers = From(multipliers_, offset),
          .addends = From(addends_, offset),
          .shifts = From(shifts_, offset),
          .skip_multipliers = From(skip_multipliers_, offset),
          .thresholds = From(thresholds_, offset),
          .negative_multipliers = From(negative_multipliers_, offset),
          .negative_addends = From(negative_addends_, offset)};
}

UniformRequantizer::UniformRequantizer(const ir::Requantizer& requantizer, int64_t entry)
    : has_skip_(!requantizer.skip_multipliers.empty()), is_leaky_(requantizer.leaky.has_value()) {
  const auto i = static_cast<size_t>(entry);
  Fill(kMultiplier, requantizer.multipliers[i]);
  Fill(kAddend, requantizer.addends[i]);
  Fill(kShift, requantizer.shifts[i]);
  if (has_skip_) Fill(kSkip, requantizer.skip_multipliers[i]);
  if (!is_leaky_) return;
  Fill(kThreshold, requantizer.leaky->thresholds[i]);
  Fill(kNegativeMultiplier, requantizer.leaky->multipliers[i]);
  Fill(kNegativeAddend, requantizer.leaky->addends[i]);
}

void UniformRequantizer::Fill(Field field, int64_t value) {
  std::fill_n(values_[field], kColumnBlock, value);
}

RequantizeConstants UniformRequantizer::constants() const {
  return {.multipliers = values_[kMultiplier],
          .addends = values_[kAddend],
          .shifts = values_[kShift],
          .skip_multipliers = has_skip_ ? values_[kSkip] : nullptr,
          .thresholds = is_leaky_ ? values_[kThreshold] : nullptr,
          .negative_multipliers = values_[kNegativeMultiplier],
          .negative_addends = values_[kNegativeAddend]};
}

}  // namespace msq::cpu
