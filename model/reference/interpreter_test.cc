// Each operator against values worked out by hand.
#include "model/reference/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::reference {
namespace {

using ir::Scheme;
using ir::Shape;
using ir::TensorType;
using ::testing::ElementsAre;

TensorType Codes(Shape shape, int bits = 8, int zero_point = 0) {
  return {TensorType::Kind::kCode, std::move(shape), bits, 1.0f, zero_point, {}};
}

// Runs one node on one sample after verifying it.
Values RunNode(ir::Op op, const std::vector<TensorType>& inputs, const TensorType& output,
               const std::vector<Values>& values) {
  ir::Graph graph;
  for (size_t i = 0; i < inputs.size(); ++i) {
    graph.tensors.push_back({absl::StrCat("x", i), inputs[i]});
    graph.inputs.push_back(static_cast<ir::TensorId>(i));
  }
  graph.tensors.push_back({"y", output});
  const auto y = static_cast<ir::TensorId>(inputs.size());
  graph.nodes.push_back({"node", std::move(op), graph.inputs, y});
  graph.outputs = {y};
  EXPECT_EQ(ir::Verify(graph), absl::OkStatus());
  const auto result = Run(graph, values);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? (*result)[0] : Values{};
}

// M/2^S = 1: y = acc + zero_point.
ir::Requantizer Unit(size_t entries = 1, int zero_point = 0) {
  ir::Requantizer r;
  r.multipliers.assign(entries, 2);
  r.addends.assign(entries, 2 * zero_point + 1);
  r.shifts.assign(entries, 1);
  return r;
}

ir::Weights Rows(int64_t row_length, std::vector<int8_t> values) {
  ir::Weights weights;
  weights.rows = static_cast<int64_t>(values.size()) / row_length;
  weights.row_length = row_length;
  weights.schemes.assign(static_cast<size_t>(weights.rows), Scheme::kFixed8);
  weights.alphas.assign(static_cast<size_t>(weights.rows), 1.0f);
  weights.values = std::move(values);
  return weights;
}

TEST(Reference, ConvPadsWithTheZeroPoint) {  // N2
  // 2x2 kernel of ones over [[1,2],[3,4]] with one column of padding on the left, zero point 9.
  const ir::Conv conv{{{2, 2}, {1, 1}, {0, 1, 0, 0}, {1, 1}}, 1, Rows(4, {1, 1, 1, 1}), Unit()};
  EXPECT_THAT(RunNode(conv, {Codes({1, 2, 2}, 8, 9)}, Codes({1, 1, 2}), {{1, 2, 3, 4}}),
              ElementsAre(9 + 1 + 9 + 3, 10));
}

TEST(Reference, ConvStridesDilatesAndKeepsGroupsApart) {
  const ir::Conv strided{{{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}}, 1, Rows(1, {3}), Unit()};
  EXPECT_THAT(RunNode(strided, {Codes({1, 3, 3})}, Codes({1, 2, 2}), {{1, 2, 3, 4, 5, 6, 7, 8, 9}}),
              ElementsAre(3, 9, 21, 27));
  const ir::Conv dilated{{{2, 2}, {1, 1}, {0, 0, 0, 0}, {2, 2}}, 1, Rows(4, {1, 2, 4, 8}), Unit()};
  EXPECT_THAT(RunNode(dilated, {Codes({1, 3, 3})}, Codes({1, 1, 1}), {{1, 0, 1, 0, 9, 0, 1, 0, 1}}), ElementsAre(15));
  const ir::Conv grouped{{{1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}}, 2, Rows(1, {1, 2, 3, 4}), Unit(4)};
  EXPECT_THAT(RunNode(grouped, {Codes({2, 1, 1})}, Codes({4, 1, 1}), {{10, 20}}), ElementsAre(10, 20, 60, 80));
}

TEST(Reference, ResidualEntersBeforeTheShift) {  // N11: (3*1 + 2*1 + 1) >> 1 = 3, not (3 >> 1) + (2 >> 1)
  ir::Requantizer r;
  r.multipliers = {1};
  r.addends = {1};
  r.shifts = {1};
  r.skip_multipliers = {1};
  const ir::Conv conv{{}, 1, Rows(1, {1}), r};
  EXPECT_THAT(RunNode(conv, {Codes({1, 1, 1}), Codes({1, 1, 1})}, Codes({1, 1, 1}), {{3}, {2}}), ElementsAre(3));
}

TEST(Reference, LeakyTakesTheOtherConstantsBelowTheThreshold) {  // N12
  ir::Requantizer r = Unit(1, 8);
  r.leaky = {{0}, {1}, {2 * 8 + 1}};  // half the slope below zero
  const ir::Dense dense{Rows(2, {1, -1}), r};
  EXPECT_THAT(RunNode(dense, {Codes({2}, 4)}, Codes({1}, 4, 8), {{6, 2}}), ElementsAre(12));
  EXPECT_THAT(RunNode(dense, {Codes({2}, 4)}, Codes({1}, 4, 8), {{2, 6}}), ElementsAre(6));
}

TEST(Reference, RawOutputsKeepTheirSign) {  // N14
  TensorType out{TensorType::Kind::kAccumulator, {2}, 4, 1.0f, 0, {0.5f, 0.25f}};
  const ir::Dense dense{Rows(2, {1, -1, 2, 3}), ir::RawOutput{{-100, 7}}};
  EXPECT_THAT(RunNode(dense, {Codes({2})}, out, {{10, 20}}), ElementsAre(-110, 87));
}

TEST(Reference, AddAndRescaleRequantize) {
  ir::Requantizer add = Unit();
  add.skip_multipliers = {4};
  EXPECT_THAT(RunNode(ir::Add{add}, {Codes({2}), Codes({2})}, Codes({2}), {{1, 200}, {10, 100}}), ElementsAre(21, 255));
  ir::Requantizer per_channel = Unit(2);
  per_channel.multipliers[1] = 4;
  EXPECT_THAT(RunNode(ir::Rescale{per_channel}, {Codes({2, 1, 2})}, Codes({2, 1, 2}), {{1, 2, 3, 4}}),
              ElementsAre(1, 2, 6, 8));
}

TEST(Reference, PoolsIgnoreOrCountPadding) {
  const ir::Window window{{2, 2}, {1, 1}, {1, 1, 0, 0}, {1, 1}};
  const Values x = {4, 8, 12, 16};
  EXPECT_THAT(RunNode(ir::MaxPool{window}, {Codes({1, 2, 2}, 8, 100)}, Codes({1, 2, 2}, 8, 100), {x}),
              ElementsAre(4, 8, 12, 16));
  ir::Requantizer by_count = Unit(4);  // divide by the number of taps: 1, 2, (3), 4
  by_count.multipliers = {12, 6, 4, 3};
  by_count.addends.assign(4, 6);
  by_count.shifts.assign(4, 0);
  for (auto& m : by_count.multipliers) m *= 1024;
  for (auto& b : by_count.addends) b *= 1024;
  for (auto& s : by_count.shifts) s = 10;  // y = 12 * mean + 6
  EXPECT_THAT(RunNode(ir::AveragePool{window, false, by_count}, {Codes({1, 2, 2})}, Codes({1, 2, 2}), {x}),
              ElementsAre(12 * 4 + 6, 12 * 6 + 6, 12 * 8 + 6, 12 * 10 + 6));
  EXPECT_THAT(RunNode(ir::AveragePool{window, true, Unit()}, {Codes({1, 2, 2}, 8, 1)}, Codes({1, 2, 2}), {x}),
              ElementsAre(3 + 4, 2 + 12, 2 + 16, 40));
  EXPECT_THAT(RunNode(ir::GlobalAveragePool{Unit()}, {Codes({2, 1, 2})}, Codes({2, 1, 1}), {{1, 2, 30, 40}}),
              ElementsAre(3, 70));
}

TEST(Reference, DataMovesInRowMajorOrder) {
  EXPECT_THAT(RunNode(ir::Concat{0}, {Codes({1, 1, 2}), Codes({2, 1, 2})}, Codes({3, 1, 2}), {{1, 2}, {3, 4, 5, 6}}),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(RunNode(ir::Concat{1}, {Codes({2, 1}), Codes({2, 2})}, Codes({2, 3}), {{1, 2}, {3, 4, 5, 6}}),
              ElementsAre(1, 3, 4, 2, 5, 6));
  EXPECT_THAT(RunNode(ir::ResizeNearest{{2, 2}}, {Codes({1, 1, 2})}, Codes({1, 2, 4}), {{5, 7}}),
              ElementsAre(5, 5, 7, 7, 5, 5, 7, 7));
  EXPECT_THAT(RunNode(ir::Pad{{1, 0, 0}, {0, 0, 1}}, {Codes({1, 1, 2}, 8, 3)}, Codes({2, 1, 3}, 8, 3), {{5, 7}}),
              ElementsAre(3, 3, 3, 5, 7, 3));
  EXPECT_THAT(RunNode(ir::Slice{{1, 0}, {3, 3}, {1, 2}}, {Codes({3, 3})}, Codes({2, 2}), {{1, 2, 3, 4, 5, 6, 7, 8, 9}}),
              ElementsAre(4, 6, 7, 9));
  EXPECT_THAT(RunNode(ir::Reshape{}, {Codes({2, 1, 2})}, Codes({4}), {{1, 2, 3, 4}}), ElementsAre(1, 2, 3, 4));
}

TEST(Reference, RunsAWholeModelAndDependsOnItsInput) {
  const ir::Graph graph = testing::SampleModel().graph;
  const auto run = [&](int32_t step) {
    Values pixels;
    for (int32_t i = 0; i < 192; ++i) pixels.push_back(i * step % 256);
    return (*reference::Run(graph, std::vector<Values>{pixels}))[0];
  };
  EXPECT_EQ(run(37), run(37));
  EXPECT_NE(run(37), run(11));
  EXPECT_EQ(run(37).size(), 10u);
}

TEST(Reference, RefusesInputsThatAreNoCodes) {
  const ir::Graph graph = testing::SampleModel().graph;
  EXPECT_EQ(reference::Run(graph, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reference::Run(graph, std::vector<Values>{Values(191, 0)}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reference::Run(graph, std::vector<Values>{Values(192, 256)}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reference::Run(graph, std::vector<Values>{Values(192, -1)}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace msq::reference
