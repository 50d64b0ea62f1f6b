// How figures are written in reports for people: as many digits as they deserve, and a dash for what was not measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace msq::bench {

// Three significant digits below 1000, whole numbers with thousands separated above: "0.0123", "1.23", "12,345".
std::string Digits(double value);
// The same, or "–".
std::string Digits(const std::optional<double>& value);

// Of what is counted: "7", "12,345".
std::string CountText(int64_t count);

// "1.23 ms", or "–".
std::string MsText(const std::optional<double>& ms);
// With the prefix that suits: "582 µJ", "1.31 mJ", "2.50 J".
std::string JoulesText(double joules);

}  // namespace msq::bench
