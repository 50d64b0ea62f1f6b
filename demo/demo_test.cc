// The demo without a server: cell geometry, text limits, the picture and the comparison of read with written.
#include <array>
#include <string>

#include "absl/status/status.h"
#include "demo/picture.h"
#include "demo/reading.h"
#include "demo/render.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace msq::demo {
namespace {

using ::testing::HasSubstr;

constexpr char kFontPath[] = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

class DemoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto font = Font::Open(kFontPath);
    ASSERT_TRUE(font.ok()) << font.status();
    font_ = std::move(*font);
  }

  Cell Render(char character) {
    auto cell = font_->Render(character);
    EXPECT_TRUE(cell.ok()) << cell.status();
    return cell.ok() ? *cell : Cell{};
  }

  std::unique_ptr<Font> font_;
};

struct InkBox {
  int top = kCellPx, bottom = -1, left = kCellPx, right = -1;
};

InkBox FindInk(const Cell& cell) {
  InkBox box;
  for (int y = 0; y < kCellPx; ++y) {
    for (int x = 0; x < kCellPx; ++x) {
      if (cell[static_cast<size_t>(y) * kCellPx + static_cast<size_t>(x)] == 0) continue;
      box.top = std::min(box.top, y);
      box.bottom = std::max(box.bottom, y);
      box.left = std::min(box.left, x);
      box.right = std::max(box.right, x);
    }
  }
  return box;
}

TEST_F(DemoTest, CapitalsStandOnTheBaselineAndAreCentred) {
  const InkBox box = FindInk(Render('H'));
  EXPECT_EQ(box.top, kBaselineRow - kCapHeightPx);
  EXPECT_EQ(box.bottom, kBaselineRow - 1);
  const int right_margin = kCellPx - 1 - box.right;
  EXPECT_TRUE(right_margin == box.left || right_margin == box.left + 1) << box.left << " " << right_margin;
}

TEST_F(DemoTest, PositionTellsCharactersOfOneShapeApart) {
  EXPECT_GE(FindInk(Render('g')).bottom, kBaselineRow + 3);
  EXPECT_GT(FindInk(Render(',')).top, FindInk(Render('\'')).bottom);
  EXPECT_GT(FindInk(Render('o')).top, FindInk(Render('O')).top);
}

TEST_F(DemoTest, EveryPrintableCharacterHasInkInsideTheCell) {
  for (char c = kFirstCharacter; c <= kLastCharacter; ++c) {
    const InkBox box = FindInk(Render(c));
    EXPECT_GE(box.bottom, box.top) << c;
    EXPECT_GT(box.top, 0) << c;
    EXPECT_LT(box.bottom, kCellPx - 1) << c;
  }
}

TEST_F(DemoTest, RefusesFontsItCannotUse) {
  EXPECT_EQ(Font::Open("/no/such/font.ttf").status().code(), absl::StatusCode::kNotFound);
  const auto not_a_font = Font::Open("CMakeLists.txt").status();
  EXPECT_EQ(not_a_font.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(not_a_font.ToString(), HasSubstr("CMakeLists.txt"));
}

TEST_F(DemoTest, LinesKeepSpacesAndRefuseWhatCannotBeRead) {
  const auto line = RenderLine(*font_, "a b");
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(line->size(), 3u);
  EXPECT_TRUE((*line)[0].has_value());
  EXPECT_FALSE((*line)[1].has_value());

  EXPECT_TRUE(RenderLine(*font_, std::string(kMaxTextLength, 'x')).ok());
  EXPECT_THAT(RenderLine(*font_, std::string(kMaxTextLength + 1, 'x')).status().ToString(), HasSubstr("65 characters"));
  EXPECT_THAT(RenderLine(*font_, "").status().ToString(), HasSubstr("no character"));
  EXPECT_THAT(RenderLine(*font_, "  ").status().ToString(), HasSubstr("no character"));
  EXPECT_THAT(RenderLine(*font_, "na\xC3\xAFve").status().ToString(), HasSubstr("position 3 of the text: byte 195"));
  EXPECT_THAT(RenderLine(*font_, "a\tb").status().ToString(), HasSubstr("position 2 of the text: byte 9"));
}

TEST_F(DemoTest, PictureShowsTheInkAndWraps) {
  // The dash is a bar of some width and at most three pixels' height: one or two lines of half blocks.
  const std::string dash = HalfBlockPicture(std::array{std::optional<Cell>(Render('-'))}, 80);
  EXPECT_THAT(dash, ::testing::AnyOf(HasSubstr("▄▄"), HasSubstr("▀▀"), HasSubstr("██")));

  const auto line = RenderLine(*font_, "HHHH");
  ASSERT_TRUE(line.ok());
  const std::string one_band = HalfBlockPicture(*line, 80);
  const std::string two_bands = HalfBlockPicture(*line, 16);
  EXPECT_GT(std::count(one_band.begin(), one_band.end(), '\n'), 0);
  EXPECT_EQ(std::count(two_bands.begin(), two_bands.end(), '\n'),
            2 * std::count(one_band.begin(), one_band.end(), '\n'));
}

TEST(ReadingTest, BestGuessIsTheLargestScoreWithItsSoftmaxShare) {
  std::array<float, kLastCharacter - kFirstCharacter + 1> scores;
  scores.fill(-1000.0f);
  scores['A' - kFirstCharacter] = 5.0f;
  scores['B' - kFirstCharacter] = 5.0f - std::log(3.0f);
  const Guess guess = BestGuess(scores);
  EXPECT_EQ(guess.character, 'A');
  EXPECT_NEAR(guess.confidence, 0.75, 1e-6);
}

TEST(ReadingTest, MarksWrongCharactersUnderTheLine) {
  const std::array guesses = {Guess{'a', 0.9}, Guess{'l', 0.625}};
  const Reading reading = Compare("a I", guesses);
  EXPECT_EQ(reading.right, 1);
  EXPECT_EQ(reading.total, 2);
  EXPECT_EQ(reading.text, "a l");
  EXPECT_THAT(reading.report, HasSubstr("read      a l\n            ^\n"));
  EXPECT_THAT(reading.report, HasSubstr("position 3: 'I' read as 'l' (62 % sure)"));

  EXPECT_THAT(Compare("a", std::array{Guess{'a', 0.9}}).report, ::testing::Not(HasSubstr("^")));
}

}  // namespace
}  // namespace msq::demo
