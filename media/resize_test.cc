// Tests Resize and FitTo of media/image.h.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "media/image.h"

namespace msq::media {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

Image Gradient(int width, int height) {
  Image image{width, height, 1, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) image.pixels.push_back(static_cast<uint8_t>(x * 255 / std::max(1, width - 1)));
  }
  return image;
}

TEST(Resize, KeepsFlatPicturesFlat) {
  for (uint8_t value : {0, 1, 128, 255}) {
    const Image image{13, 7, 3, std::vector<uint8_t>(13 * 7 * 3, value)};
    for (const auto& [width, height] : {std::pair(1, 1), {5, 29}, {64, 3}, {13, 7}}) {
      const Image result = Resize(image, width, height);
      EXPECT_EQ(result.pixels.size(), size_t{3} * width * height);
      EXPECT_THAT(result.pixels, Each(value));
    }
  }
}

TEST(Resize, InterpolatesWhenGrowing) {
  // Centres of the four lie at 0.25, 0.75, 1.25, 1.75 of the two.
  EXPECT_THAT(Resize({2, 1, 1, {0, 200}}, 4, 1).pixels, ElementsAre(0, 50, 150, 200));
  EXPECT_THAT(Resize({1, 2, 1, {0, 200}}, 1, 4).pixels, ElementsAre(0, 50, 150, 200));
}

TEST(Resize, AveragesWhenShrinking) {
  // A checkerboard loses its contrast instead of becoming black or white.
  Image board{64, 64, 1, {}};
  for (int i = 0; i < 64 * 64; ++i) board.pixels.push_back((i + i / 64) % 2 != 0 ? 255 : 0);
  for (const uint8_t pixel : Resize(board, 8, 8).pixels) EXPECT_NEAR(pixel, 128, 4);
  // Weights 1/8, 3/8, 3/8, 1/8, cut off and renormalised at the edges.
  EXPECT_THAT(Resize({4, 1, 1, {0, 0, 70, 70}}, 2, 1).pixels, ElementsAre(10, 60));
}

TEST(Resize, KeepsChannelsApart) {
  EXPECT_THAT(Resize({2, 1, 3, {0, 100, 7, 200, 100, 7}}, 4, 1).pixels,
              ElementsAre(0, 100, 7, 50, 100, 7, 150, 100, 7, 200, 100, 7));
}

TEST(FitTo, LeavesTheRightSizeAlone) {
  const Image image = Gradient(32, 32);
  EXPECT_EQ(FitTo(image, 32, 32).pixels, image.pixels);
}

TEST(FitTo, CutsTheCentre) {
  // 256 x 256 covers 224 / 0.875 already: the crop starts at 16 in both directions.
  const Image image = Gradient(256, 256);
  const Image result = FitTo(image, 224, 224);
  ASSERT_EQ(result.width, 224);
  ASSERT_EQ(result.height, 224);
  for (int x = 0; x < 224; ++x)
    EXPECT_EQ(result.pixels[static_cast<size_t>(x)], image.pixels[static_cast<size_t>(x + 16)]);
}

TEST(FitTo, EqualsResizeAndCrop) {
  const Image image = Gradient(100, 50);
  const Image whole = Resize(image, 64, 32);  // covers 28 / 0.875 = 32
  const Image result = FitTo(image, 28, 28);
  for (int y = 0; y < 28; ++y) {
    for (int x = 0; x < 28; ++x) {
      EXPECT_EQ(result.pixels[static_cast<size_t>(y * 28 + x)],
                whole.pixels[static_cast<size_t>((y + 2) * 64 + x + 18)]);
    }
  }
}

TEST(FitTo, TakesExtremeShapesCheaply) {
  for (const auto& [width, height] : {std::pair(1, 3'000'000), {3'000'000, 1}, {1, 1}}) {
    const Image image{width, height, 1, std::vector<uint8_t>(size_t{1} * width * height, 77)};
    const Image result = FitTo(image, 224, 160);
    EXPECT_EQ(result.width, 224);
    EXPECT_EQ(result.height, 160);
    EXPECT_THAT(result.pixels, Each(77));
  }
}

}  // namespace
}  // namespace msq::media
