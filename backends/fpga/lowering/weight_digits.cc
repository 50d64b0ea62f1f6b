#include "backends/fpga/lowering/weight_digits.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "model/numerics/scheme.h"

namespace msq::fpga {
namespace {

constexpr std::array<int8_t, 13> kSp2Digits = {0, 1, -1, 2, -2, 4, -4, 5, -5, 6, -6, 8, -8};
constexpr std::array<int8_t, 16> kFixedDigits = {0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, -8};

// The digits of each weight, by code and shape.
class DigitTables {
 public:
  DigitTables() {
    for (size_t shape = 0; shape < kDigitShapes.size(); ++shape) {
      Fill(kSp2Digits, kDigitShapes[shape], &tables_[0][shape]);
      Fill(kFixedDigits, kDigitShapes[shape], &tables_[1][shape]);
    }
  }
  const std::optional<Digits>& Find(WeightCode code, DigitShape shape, int8_t value) const {
    const auto index = std::find(kDigitShapes.begin(), kDigitShapes.end(), shape) - kDigitShapes.begin();
    return tables_[static_cast<size_t>(code)][static_cast<size_t>(index)][static_cast<size_t>(value + 128)];
  }

 private:
  using Table = std::array<std::optional<Digits>, 256>;

  // Tries every choice of digits; those tried first, with the smallest magnitudes, stay.
  static void Fill(std::span<const int8_t> set, DigitShape shape, Table* table) {
    Digits digits{};
    const auto choose = [&](auto&& self, int index, int sum) -> void {
      if (index == shape.count()) {
        if (sum < -128 || sum > 127) return;
        const int place = sum + 128;
        std::optional<Digits>& entry = (*table)[static_cast<size_t>(place)];
        if (!entry) entry = digits;
        return;
      }
      for (int8_t digit : set) {
        digits[static_cast<size_t>(index)] = digit;
        self(self, index + 1, sum + digit * (index < shape.high ? 16 : 1));
      }
    };
    choose(choose, 0, 0);
  }

  std::array<std::array<Table, kDigitShapes.size()>, 2> tables_;
};

const DigitTables& Tables() {
  static const DigitTables* const tables = new DigitTables();
  return *tables;
}

}  // namespace

std::optional<Digits> FindDigits(WeightCode code, DigitShape shape, int8_t value) {
  return Tables().Find(code, shape, value);
}

bool HoldsAll(WeightCode code, DigitShape shape, std::span<const int8_t> values) {
  return std::all_of(values.begin(), values.end(),
                     [&](int8_t value) { return Tables().Find(code, shape, value).has_value(); });
}

uint64_t EncodeDigit(WeightCode code, int8_t digit) {
  if (code == WeightCode::kTwosComplement) return static_cast<uint64_t>(digit) & 15;
  return *numerics::EncodeWeight(numerics::Scheme::kSp2, digit);
}

}  // namespace msq::fpga
