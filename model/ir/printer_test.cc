#include "model/ir/printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/testing/sample_model.h"

namespace msq::ir {
namespace {

using ::testing::HasSubstr;

TEST(Printer, SaysWhatEachNodeDoes) {
  const std::string text = Print(testing::SampleModel().graph);
  EXPECT_THAT(text, HasSubstr("input %0 'pixels' u8[3,8,8] scale 0.015625 zero 128"));
  EXPECT_THAT(
      text, HasSubstr("%1 = Conv(%0) kernel 3x3 stride 1x1 pads 1,1,1,1 dilation 1x1 groups 1 fixed4:2 sp2_4:2 p2_4:2 "
                      "fixed8:1 codebook4:1 #"));
  EXPECT_THAT(text, HasSubstr("-> acc[10] scales #"));
}

TEST(Printer, TellsGraphsApartByOneConstant) {
  Graph graph = testing::SampleModel().graph;
  const std::string before = Print(graph);
  EXPECT_EQ(Print(testing::SampleModel().graph), before);
  std::get<Requantizer>(std::get<Conv>(graph.nodes[0].op).epilogue).addends[3] += 1;
  EXPECT_NE(Print(graph), before);
  graph = testing::SampleModel().graph;
  graph.tensors.back().type.row_scales[9] *= 2;
  EXPECT_NE(Print(graph), before);
  graph = testing::SampleModel().graph;
  std::swap(std::get<Conv>(graph.nodes[3].op).weights.schemes[0], std::get<Conv>(graph.nodes[3].op).weights.schemes[1]);
  EXPECT_NE(Print(graph), before);
}

TEST(Printer, CountsWork) {
  const Graph graph = testing::SampleModel().graph;
  EXPECT_EQ(MacCount(graph, graph.nodes[0]), 8 * 8 * 8 * 27);
  EXPECT_EQ(MacCount(graph, graph.nodes[1]), 0);
  EXPECT_EQ(RowsByScheme(*WeightsOf(graph.nodes[0].op))[static_cast<size_t>(Scheme::kSp2)], 2);
  EXPECT_EQ(WeightsOf(graph.nodes[1].op), nullptr);
}

}  // namespace
}  // namespace msq::ir
