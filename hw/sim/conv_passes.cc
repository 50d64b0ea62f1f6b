#include "hw/sim/conv_passes.h"

namespace msq::hw {

std::array<int64_t, 8> PassRows(const ConvFields& f) {
  if (!f.stream) {
    return {f.pass0_row, f.pass1_row, f.pass2_row, f.pass3_row, f.pass4_row, f.pass5_row, f.pass6_row, f.pass7_row};
  }
  std::array<int64_t, 8> rows{};
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i) * StepsOf(f);
  return rows;
}

std::vector<ConvPass> PassesOf(const ConvFields& f) {
  const std::array<int64_t, 8> rows = PassRows(f);
  std::vector<ConvPass> passes;
  for (size_t i = 0; i < static_cast<size_t>(f.passes); ++i) {
    const bool is_high = (f.pass_plane >> i & 1) != 0, shifts = (f.pass_shift >> i & 1) != 0;
    if (!is_high && shifts && passes.back().source == CodeSource::kHigh && passes.back().row == rows[i]) {
      passes.back().source = CodeSource::kBoth;
      passes.back().shift += 4;
    } else {
      passes.push_back({rows[i], is_high ? CodeSource::kHigh : CodeSource::kLow, shifts ? 4 : 0});
    }
  }
  return passes;
}

}  // namespace msq::hw
