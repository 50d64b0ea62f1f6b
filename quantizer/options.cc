// Ratios and targets.
#include "quantizer/options.h"

#include <cmath>
#include <map>

#include "absl/strings/numbers.h"

namespace msq::quantizer {

double ParseRatio(const std::string& text) {
  const size_t cut = text.find_first_of(":/");
  double sp2 = 0, fixed = 1;
  if (!absl::SimpleAtod(text.substr(0, cut), &sp2)) return -1;
  if (cut != std::string::npos && !absl::SimpleAtod(text.substr(cut + 1), &fixed)) return -1;
  if (!std::isfinite(sp2) || !std::isfinite(fixed) || sp2 < 0 || fixed < 0 || sp2 + fixed <= 0) return -1;
  return sp2 / (sp2 + fixed);
}

double ShareOfTarget(const std::string& target) {
  // SP2 : fixed of the paper's arrays (1.5:1 and 2:1) and of our own (5:3).
  static const std::map<std::string, double> shares = {
      {"paper_z020", 1.5 / 2.5}, {"paper_z045", 2.0 / 3.0}, {"z020", 5.0 / 8.0}, {"z045", 5.0 / 8.0}};
  const auto it = shares.find(target);
  return it == shares.end() ? -1 : it->second;
}

}  // namespace msq::quantizer
