#include "model/ir/shape_inference.h"

#include <gtest/gtest.h>

namespace msq::ir {
namespace {

Shape Infer(const Op& op, std::vector<Shape> inputs, const Shape& declared = {1}) {
  const auto shape = InferShape(op, inputs, declared);
  EXPECT_TRUE(shape.ok()) << shape.status();
  return shape.ok() ? *shape : Shape{};
}

Weights WeightsOf(int64_t rows, int64_t row_length) {
  Weights weights;
  weights.rows = rows;
  weights.row_length = row_length;
  return weights;
}

TEST(ShapeInference, FollowsOnnxForWindows) {
  const auto conv = [](Window window, int64_t groups, int64_t row_length) {
    return Conv{window, groups, WeightsOf(6, row_length), Requantizer{}};
  };
  EXPECT_EQ(Infer(conv({{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, 1, 27), {{3, 7, 5}}), (Shape{6, 7, 5}));
  EXPECT_EQ(Infer(conv({{7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}}, 1, 147), {{3, 224, 224}}), (Shape{6, 112, 112}));
  EXPECT_EQ(Infer(conv({{3, 1}, {2, 1}, {0, 0, 1, 0}, {1, 1}}, 3, 3), {{3, 8, 8}}), (Shape{6, 4, 8}));     // asymmetric
  EXPECT_EQ(Infer(conv({{3, 3}, {1, 1}, {0, 0, 0, 0}, {2, 3}}, 1, 27), {{3, 10, 10}}), (Shape{6, 6, 4}));  // dilated
  EXPECT_EQ(Infer(MaxPool{{{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}}, {{4, 112, 112}}), (Shape{4, 56, 56}));
  EXPECT_EQ(Infer(AveragePool{{{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}}, false, {}}, {{4, 5, 5}}), (Shape{4, 2, 2}));
  EXPECT_EQ(Infer(GlobalAveragePool{}, {{4, 5, 5}}), (Shape{4, 1, 1}));
}

TEST(ShapeInference, FollowsDataMovement) {
  EXPECT_EQ(Infer(Concat{0}, {{3, 4, 4}, {5, 4, 4}, {1, 4, 4}}), (Shape{9, 4, 4}));
  EXPECT_EQ(Infer(Concat{2}, {{3, 4, 4}, {3, 4, 2}}), (Shape{3, 4, 6}));
  EXPECT_EQ(Infer(ResizeNearest{{2, 3}}, {{3, 4, 4}}), (Shape{3, 8, 12}));
  EXPECT_EQ(Infer(Reshape{}, {{3, 4, 4}}, {48}), (Shape{48}));
  EXPECT_EQ(Infer(Pad{{8, 0, 1}, {8, 0, 0}}, {{16, 4, 4}}), (Shape{32, 4, 5}));
  EXPECT_EQ(Infer(Slice{{0, 0, 1}, {3, 5, 5}, {1, 2, 2}}, {{3, 5, 5}}), (Shape{3, 3, 2}));
  EXPECT_EQ(Infer(Dense{WeightsOf(10, 48), Requantizer{}}, {{48}}), (Shape{10}));
}

}  // namespace
}  // namespace msq::ir
