// FreeType behind demo/render.h: hinting, size choice and centring as Pillow does them for the training cells.
#include "demo/render.h"

#include <ft2build.h>

#include <filesystem>
#include <utility>
#include FT_FREETYPE_H

#include "base/status.h"

namespace msq::demo {
namespace {

// The size at which 'H' is measured before the real size is chosen.
constexpr FT_UInt kProbePx = 1000;

// Copies a glyph's coverage into the cell: baseline on kBaselineRow, ink centred, what does not fit cut off.
void Place(const FT_GlyphSlotRec& glyph, Cell& cell) {
  const FT_Bitmap& bitmap = glyph.bitmap;
  const int width = static_cast<int>(bitmap.width);
  const int rows = static_cast<int>(bitmap.rows);
  const auto ink_at = [&bitmap](int row, int column) { return bitmap.buffer[row * bitmap.pitch + column]; };
  const auto has_ink = [&](int column) {
    for (int row = 0; row < rows; ++row) {
      if (ink_at(row, column) != 0) return true;
    }
    return false;
  };
  int first = 0;
  int last = width;
  while (first < last && !has_ink(first)) ++first;
  while (last > first && !has_ink(last - 1)) --last;

  // Floor division: wide ink overhangs by one more on the left.
  const int spare = kCellPx - (last - first);
  const int left = spare >= 0 ? spare / 2 : -((1 - spare) / 2);
  const int top = kBaselineRow - glyph.bitmap_top;
  for (int row = 0; row < rows; ++row) {
    for (int column = first; column < last; ++column) {
      const int y = top + row;
      const int x = left + column - first;
      if (y < 0 || y >= kCellPx || x < 0 || x >= kCellPx) continue;
      cell[static_cast<size_t>(y) * kCellPx + static_cast<size_t>(x)] = ink_at(row, column);
    }
  }
}

}  // namespace

class Font::Impl {
 public:
  ~Impl() {
    if (face_ != nullptr) FT_Done_Face(face_);
    if (library_ != nullptr) FT_Done_FreeType(library_);
  }

  absl::Status Open(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return NotFound("no font file at ", path);
    if (FT_Init_FreeType(&library_) != 0) return absl::InternalError("FreeType does not start");
    if (FT_New_Face(library_, path.c_str(), 0, &face_) != 0 || !FT_IS_SCALABLE(face_)) {
      return InvalidArgument(path, " is not a scalable font");
    }
    if (FT_Set_Pixel_Sizes(face_, 0, kProbePx) != 0 || FT_Get_Char_Index(face_, 'H') == 0 ||
        FT_Load_Char(face_, 'H', FT_LOAD_DEFAULT) != 0) {
      return InvalidArgument(path, " has no letter H to take the size from");
    }
    const double cap_height = static_cast<double>((face_->glyph->metrics.height + 32) >> 6);
    if (cap_height < 1) return InvalidArgument(path, " has an empty letter H");
    const double size = kProbePx * kCapHeightPx / cap_height + 0.5;
    if (size > kProbePx || FT_Set_Pixel_Sizes(face_, 0, static_cast<FT_UInt>(size)) != 0) {
      return InvalidArgument(path, " cannot be scaled to capitals of ", kCapHeightPx, " pixels");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Cell> Render(char character) {
    if (character < kFirstCharacter || character > kLastCharacter) {
      return InvalidArgument("byte ", static_cast<int>(static_cast<unsigned char>(character)),
                             " is not a printable ASCII character");
    }
    const FT_UInt index = FT_Get_Char_Index(face_, static_cast<FT_ULong>(character));
    if (index == 0 || FT_Load_Glyph(face_, index, FT_LOAD_RENDER) != 0 ||
        face_->glyph->bitmap.pixel_mode != FT_PIXEL_MODE_GRAY) {
      return InvalidArgument("the font cannot draw '", std::string(1, character), "'");
    }
    Cell cell{};
    Place(*face_->glyph, cell);
    return cell;
  }

 private:
  FT_Library library_ = nullptr;
  FT_Face face_ = nullptr;
};

Font::Font(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Font::~Font() = default;

absl::StatusOr<std::unique_ptr<Font>> Font::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  MSQ_RETURN_IF_ERROR(impl->Open(path));
  return std::unique_ptr<Font>(new Font(std::move(impl)));
}

absl::StatusOr<Cell> Font::Render(char character) {
  return impl_->Render(character);
}

absl::StatusOr<std::vector<std::optional<Cell>>> RenderLine(Font& font, std::string_view text) {
  if (text.size() > kMaxTextLength) {
    return InvalidArgument("the text has ", text.size(), " characters; at most ", kMaxTextLength, " are read at once");
  }
  std::vector<std::optional<Cell>> line;
  bool has_ink = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') {
      line.emplace_back();
      continue;
    }
    absl::StatusOr<Cell> cell = font.Render(text[i]);
    if (!cell.ok()) return WithContext(cell.status(), "position ", i + 1, " of the text");
    line.emplace_back(*cell);
    has_ink = true;
  }
  if (!has_ink) return InvalidArgument("the text has no character to read");
  return line;
}

}  // namespace msq::demo
