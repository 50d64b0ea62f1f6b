#include "tests/conformance/random_constants.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "model/numerics/requantize.h"

namespace msq::conformance {
namespace {

using numerics::Scheme;

constexpr int64_t kMultiplierHigh = numerics::kMultiplierLimit - 1;
constexpr int64_t kAddendHigh = numerics::kAddendLimit - 1;

// Sixteen different values with 0 among them, often with both ends of int8.
std::array<int8_t, 16> RandomCodebook(Random* random) {
  std::set<int8_t> values = {0};
  if (random->Chance(50)) values.insert({-128, 127});
  while (values.size() < 16) values.insert(static_cast<int8_t>(random->Uniform(-128, 127)));
  std::array<int8_t, 16> book;
  std::copy(values.begin(), values.end(), book.begin());
  return book;
}

std::vector<int8_t> ValuesOf(Scheme scheme, const std::array<int8_t, 16>& codebook) {
  std::vector<int8_t> values;
  for (int code = 0; code < (1 << numerics::CodeBits(scheme)); ++code) {
    const auto value = numerics::DecodeWeight(scheme, static_cast<uint8_t>(code), codebook);
    if (value) values.push_back(*value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<int8_t> RandomRow(Random* random, const std::vector<int8_t>& values, int64_t length, int input_bits) {
  const int64_t mode = random->Uniform(0, 9);
  const int64_t most = (numerics::kAccumulatorLimit - 1) / numerics::MaxCode(input_bits);
  int64_t magnitude = 0;
  std::vector<int8_t> row;
  for (int64_t k = 0; k < length; ++k) {
    int8_t value = values[static_cast<size_t>(random->Uniform(0, std::ssize(values) - 1))];
    if (mode == 0) value = values.back();
    if (mode == 1) value = values.front();
    if (mode == 2) value = k % 2 == 0 ? values.back() : values.front();
    if (mode == 3 && random->Chance(80)) value = 0;
    if (magnitude + std::abs(int{value}) > most) value = 0;
    magnitude += std::abs(int{value});
    row.push_back(value);
  }
  return row;
}

struct Entry {
  int64_t multiplier, addend, skip_multiplier;
  int shift;
};

// limit * multiplier >> shift comes to between a quarter and four times the largest code.
Entry SpreadEntry(Random* random, int64_t limit, int64_t max_code) {
  Entry entry;
  entry.multiplier = random->Uniform(1 << 10, kMultiplierHigh);
  const int64_t wanted = std::max<int64_t>(1, max_code * random->Uniform(1, 16) / 4);
  entry.shift = 0;
  while (entry.shift < numerics::kMaxShift && (limit * entry.multiplier >> entry.shift) > wanted) ++entry.shift;
  const int64_t one = int64_t{1} << entry.shift;
  const int64_t offset = random->Uniform(-max_code, max_code) * one;
  entry.addend = std::clamp<int64_t>(one / 2 + offset, -kAddendHigh, kAddendHigh);
  entry.skip_multiplier = std::clamp<int64_t>(random->Uniform(1, 2 * one), 1, kMultiplierHigh);
  return entry;
}

Entry BoundaryEntry(Random* random) {
  return {.multiplier = random->OneOf({1, kMultiplierHigh}),
          .addend = random->OneOf({-kAddendHigh, -1, 0, 1, int64_t{1} << 40, kAddendHigh}),
          .skip_multiplier = random->OneOf({1, kMultiplierHigh}),
          .shift = static_cast<int>(random->OneOf({0, 1, 31, 32, 33, 45, numerics::kMaxShift}))};
}

void AddLeakyEntry(Random* random, const Entry& entry, int64_t limit, ir::Requantizer::Leaky* leaky) {
  const int64_t near = std::min(limit, numerics::kAccumulatorLimit);
  const int64_t threshold = random->Chance(85)
                                ? random->Uniform(-near / 2, near / 2)
                                : random->OneOf({-numerics::kAccumulatorLimit, 0, numerics::kAccumulatorLimit});
  leaky->thresholds.push_back(static_cast<int32_t>(threshold));
  leaky->multipliers.push_back(static_cast<uint32_t>(random->Chance(10) ? 0 : random->Uniform(0, entry.multiplier)));
  leaky->addends.push_back(random->Chance(50) ? entry.addend
                                              : random->Uniform(-std::abs(entry.addend), std::abs(entry.addend)));
}

}  // namespace

ir::Weights RandomWeights(Random* random, int64_t rows, int64_t row_length, int input_bits) {
  ir::Weights weights;
  weights.rows = rows;
  weights.row_length = row_length;
  weights.alphas.assign(static_cast<size_t>(rows), 1.0f);
  weights.codebooks = {RandomCodebook(random), RandomCodebook(random)};
  const bool one_scheme = random->Chance(25);
  const auto only = static_cast<Scheme>(random->Uniform(0, numerics::kSchemeCount - 1));
  bool has_codebook = false;
  for (int64_t row = 0; row < rows; ++row) {
    const auto scheme = one_scheme ? only : static_cast<Scheme>(random->Uniform(0, numerics::kSchemeCount - 1));
    const auto book = static_cast<int32_t>(random->Uniform(0, 1));
    weights.schemes.push_back(scheme);
    weights.codebook_of_row.push_back(book);
    has_codebook = has_codebook || scheme == Scheme::kCodebook4;
    const auto values = ValuesOf(scheme, weights.codebooks[static_cast<size_t>(book)]);
    const auto row_values = RandomRow(random, values, row_length, input_bits);
    weights.values.insert(weights.values.end(), row_values.begin(), row_values.end());
  }
  if (!has_codebook) {
    weights.codebooks.clear();
    weights.codebook_of_row.clear();
  }
  return weights;
}

ir::Requantizer RandomRequantizer(Random* random, const std::vector<int64_t>& limits, int output_bits, bool skip,
                                  bool leaky) {
  ir::Requantizer requantizer;
  if (leaky) requantizer.leaky.emplace();
  for (int64_t limit : limits) {
    const Entry entry = random->Chance(85)
                            ? SpreadEntry(random, std::max<int64_t>(1, limit), numerics::MaxCode(output_bits))
                            : BoundaryEntry(random);
    requantizer.multipliers.push_back(static_cast<uint32_t>(entry.multiplier));
    requantizer.addends.push_back(entry.addend);
    requantizer.shifts.push_back(static_cast<uint8_t>(entry.shift));
    if (skip) requantizer.skip_multipliers.push_back(static_cast<uint32_t>(entry.skip_multiplier));
    if (leaky) AddLeakyEntry(random, entry, limit, &*requantizer.leaky);
  }
  return requantizer;
}

ir::RawOutput RandomRawOutput(Random* random, int64_t rows) {
  ir::RawOutput raw;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t limit = random->Chance(80) ? 10'000 : numerics::kAccumulatorLimit - 1;
    raw.biases.push_back(static_cast<int32_t>(random->Uniform(-limit, limit)));
  }
  return raw;
}

}  // namespace msq::conformance
