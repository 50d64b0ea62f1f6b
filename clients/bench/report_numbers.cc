#include "clients/bench/report_numbers.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace msq::bench {
namespace {

std::string WithThousands(const std::string& plain) {
  std::string digits;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (i > 0 && plain[i - 1] != '-' && (plain.size() - i) % 3 == 0) digits += ',';
    digits += plain[i];
  }
  return digits;
}

}  // namespace

std::string Digits(double value) {
  if (!std::isfinite(value)) return "–";
  if (value == 0) return "0";
  if (std::abs(value) < 999.5) {
    // Of the value as it will be rounded: 0.9996 is written as 1.00.
    const int magnitude = static_cast<int>(std::floor(std::log10(std::abs(value) * 1.0005)));
    return absl::StrFormat("%.*f", std::clamp(2 - magnitude, 0, 9), value);
  }
  return WithThousands(absl::StrFormat("%.0f", value));
}

std::string Digits(const std::optional<double>& value) {
  return value.has_value() ? Digits(*value) : "–";
}

std::string CountText(int64_t count) {
  return WithThousands(absl::StrCat(count));
}

std::string MsText(const std::optional<double>& ms) {
  return ms.has_value() ? Digits(*ms) + " ms" : "–";
}

std::string JoulesText(double joules) {
  if (joules < 0.9995e-3) return Digits(joules * 1e6) + " µJ";
  if (joules < 0.9995) return Digits(joules * 1e3) + " mJ";
  return Digits(joules) + " J";
}

}  // namespace msq::bench
