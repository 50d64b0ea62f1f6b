// Characters to the cells that the demo model reads. demo/render.py says the geometry in words and trains on the same;
// the constants here and there are equal.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::demo {

inline constexpr int kCellPx = 32;
inline constexpr int kCapHeightPx = 17;
inline constexpr int kBaselineRow = 23;
inline constexpr char kFirstCharacter = '!';
inline constexpr char kLastCharacter = '~';

// Row-major ink coverage: 0 is paper, 255 is ink.
using Cell = std::array<uint8_t, kCellPx * kCellPx>;

inline constexpr size_t kMaxTextLength = 64;

// A font file at the demo's size. One thread at a time.
class Font {
 public:
  // NOT_FOUND when there is no such file, INVALID_ARGUMENT when it is no scalable font or has no 'H'; both name the
  // file.
  static absl::StatusOr<std::unique_ptr<Font>> Open(const std::string& path);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  // INVALID_ARGUMENT when the character is outside kFirstCharacter..kLastCharacter or the font lacks it.
  absl::StatusOr<Cell> Render(char character);

 private:
  class Impl;
  explicit Font(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One entry a character; an empty one is a space. INVALID_ARGUMENT when the text is longer than kMaxTextLength, has
// nothing but spaces, or has a character that is not printable ASCII; the message says which and where.
absl::StatusOr<std::vector<std::optional<Cell>>> RenderLine(Font& font, std::string_view text);

}  // namespace msq::demo
