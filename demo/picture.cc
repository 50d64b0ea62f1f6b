// Half-block drawing: cells are halved in size, cut to their ink and set side by side.
#include "demo/picture.h"

#include <algorithm>
#include <vector>

namespace msq::demo {
namespace {

constexpr int kRows = kCellPx / 2;
// Pairs of rows are counted from the baseline, so that letters stand on a full pixel.
constexpr int kFirstRow = kBaselineRow % 2;
constexpr int kInkThreshold = 4 * 96;  // of a sum over four pixels
constexpr int kSpaceColumns = 4;
constexpr int kGapColumns = 1;

using Column = std::array<bool, kRows>;
using Band = std::vector<Column>;

Band HalveCell(const Cell& cell) {
  const auto at = [&cell](int row, int column) {
    if (row >= kCellPx || column >= kCellPx) return 0;
    return static_cast<int>(cell[static_cast<size_t>(row) * kCellPx + static_cast<size_t>(column)]);
  };
  const auto has_ink = [&at](int column) {
    for (int row = 0; row < kCellPx; ++row) {
      if (at(row, column) * 4 >= kInkThreshold) return true;
    }
    return false;
  };
  int first = 0;
  int last = kCellPx;
  while (first < last && !has_ink(first)) ++first;
  while (last > first && !has_ink(last - 1)) --last;
  Band band;
  for (int x = first; x < last; x += 2) {
    Column column{};
    for (int row = 0; row < kRows; ++row) {
      const int y = kFirstRow + 2 * row;
      column[static_cast<size_t>(row)] = at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1) >= kInkThreshold;
    }
    band.push_back(column);
  }
  return band;
}

void AppendBand(const Band& band, std::string& text) {
  const auto is_blank = [&band](int row) {
    return std::none_of(band.begin(), band.end(), [row](const Column& c) { return c[row] || c[row + 1]; });
  };
  int first = 0;
  int last = kRows;
  while (first < last && is_blank(first)) first += 2;
  while (last > first && is_blank(last - 2)) last -= 2;
  for (int row = first; row < last; row += 2) {
    std::string line;
    size_t inked = 0;
    for (const Column& column : band) {
      const bool upper = column[row];
      const bool lower = column[row + 1];
      line += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
      if (upper || lower) inked = line.size();
    }
    line.resize(inked);
    text += line + "\n";
  }
}

}  // namespace

std::string HalfBlockPicture(std::span<const std::optional<Cell>> line, int columns) {
  std::string text;
  Band band;
  // Appends `part` (a word, or a character of a word too wide for a band), in a new band when it does not fit.
  const auto append = [&](const Band& part) {
    if (static_cast<int>(band.size() + part.size()) > columns && !band.empty()) {
      AppendBand(band, text);
      band.clear();
    }
    band.insert(band.end(), part.begin(), part.end());
  };
  for (size_t i = 0; i < line.size();) {
    if (!line[i].has_value()) {
      band.insert(band.end(), kSpaceColumns, Column{});
      ++i;
      continue;
    }
    std::vector<Band> characters;
    Band word;
    for (; i < line.size() && line[i].has_value(); ++i) {
      characters.push_back(HalveCell(*line[i]));
      characters.back().insert(characters.back().end(), kGapColumns, Column{});
      word.insert(word.end(), characters.back().begin(), characters.back().end());
    }
    if (static_cast<int>(word.size()) <= columns) characters = {word};
    for (const Band& part : characters) append(part);
  }
  AppendBand(band, text);
  return text;
}

}  // namespace msq::demo
