#include "tests/conformance/large_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/ir/shape_inference.h"
#include "model/numerics/requantize.h"
#include "tests/conformance/random_constants.h"
#include "tests/conformance/random_ops.h"

namespace msq::conformance {
namespace {

using ir::TensorType;

TensorType Codes(ir::Shape shape, int bits = 8, int zero_point = 0) {
  TensorType type;
  type.shape = std::move(shape);
  type.bits = bits;
  type.zero_point = zero_point;
  return type;
}

TensorType Accumulators() {
  TensorType type;
  type.kind = TensorType::Kind::kAccumulator;
  return type;
}

class Maker {
 public:
  // The output's shape is inferred.
  void Add(const std::string& name, ir::Op op, const std::vector<TensorType>& inputs, TensorType output) {
    ir::Graph graph;
    graph.name = name;
    std::vector<ir::Shape> shapes;
    for (const TensorType& input : inputs) {
      graph.inputs.push_back(static_cast<ir::TensorId>(graph.tensors.size()));
      graph.tensors.push_back({absl::StrCat("in", graph.tensors.size()), input});
      shapes.push_back(input.shape);
    }
    auto shape = ir::InferShape(op, shapes, {});
    MSQ_CHECK(shape.ok());
    output.shape = *std::move(shape);
    if (output.kind == TensorType::Kind::kAccumulator) {
      output.row_scales.assign(static_cast<size_t>(output.shape[0]), 1.0f);
    }
    graph.outputs = {static_cast<ir::TensorId>(graph.tensors.size())};
    graph.tensors.push_back({"out", std::move(output)});
    graph.nodes.push_back({name, std::move(op), graph.inputs, graph.outputs[0]});
    graphs_.push_back(std::move(graph));
  }

  // As large as N8 lets them be, and as dense at a row's end as at its beginning; the last is seldom zero.
  ir::Weights Weights(int64_t rows, int64_t row_length, int input_bits) {
    ir::Weights weights;
    weights.rows = rows;
    weights.row_length = row_length;
    weights.schemes.assign(static_cast<size_t>(rows), ir::Scheme::kFixed8);
    weights.alphas.assign(static_cast<size_t>(rows), 1.0f);
    const int64_t most = (numerics::kAccumulatorLimit - 1) / numerics::MaxCode(input_bits);
    for (int64_t row = 0; row < rows; ++row) {
      int64_t left = most;
      for (int64_t k = 0; k < row_length; ++k) {
        // 64 is the mean magnitude; a tenth in reserve, so that `left` lasts to the end.
        const bool zero = k + 1 < row_length && random_.Uniform(0, 64 * row_length) > most * 9 / 10;
        const int64_t value = zero ? 0 : random_.Uniform(-127, 127);
        weights.values.push_back(static_cast<int8_t>(std::clamp(value, -left, left)));
        left -= std::abs(int{weights.values.back()});
      }
    }
    return weights;
  }

  ir::Requantizer For(const ir::Weights& weights, int input_bits, bool skip = false) {
    ir::Requantizer requantizer;
    for (int64_t row = 0; row < weights.rows; ++row) {
      double sum = 0, squares = 0;
      for (int64_t k = 0; k < weights.row_length; ++k) {
        const double value = weights.values[static_cast<size_t>(row * weights.row_length + k)];
        sum += value;
        squares += value * value;
      }
      AddEntry(sum, squares, input_bits, skip, &requantizer);
    }
    return requantizer;
  }

  // An entry for each number of 8-bit codes that are summed.
  ir::Requantizer ForSums(const std::vector<int64_t>& counts, bool skip = false) {
    ir::Requantizer requantizer;
    for (int64_t count : counts) {
      AddEntry(static_cast<double>(count), static_cast<double>(count), 8, skip, &requantizer);
    }
    return requantizer;
  }

  void AddConv(const std::string& name, const ir::Window& window, int64_t groups, int64_t rows, const TensorType& input,
               bool raw = false) {
    ir::Conv conv{window, groups, {}, {}};
    conv.weights = Weights(rows, input.shape[0] / groups * window.kernel[0] * window.kernel[1], input.bits);
    if (raw) {
      conv.epilogue = RandomRawOutput(&random_, rows);
    } else {
      conv.epilogue = For(conv.weights, input.bits);
    }
    Add(name, std::move(conv), {input}, raw ? Accumulators() : Codes({}));
  }

  std::vector<ir::Graph> Take() && { return std::move(graphs_); }

 private:
  // Spreads the sums of random codes over the 8-bit codes, so that a wrong sum shows: mean in the middle, give or take 25,
  // and standard deviation 50. The weights enter by their sum and the sum of their squares.
  void AddEntry(double sum, double squares, int input_bits, bool skip, ir::Requantizer* requantizer) {
    constexpr int kShift = 16;
    constexpr int64_t kOne = int64_t{1} << kShift;
    const double high = numerics::MaxCode(input_bits);
    const double deviation = std::sqrt(squares / 12) * high;
    const auto multiplier = static_cast<int64_t>(std::clamp(50 / deviation, 0.0005, 1.0) * kOne);
    const auto mean = static_cast<int64_t>(sum * high / 2);
    requantizer->multipliers.push_back(static_cast<uint32_t>(multiplier));
    requantizer->addends.push_back(random_.Uniform(103, 153) * kOne - mean * multiplier);
    requantizer->shifts.push_back(kShift);
    if (skip) requantizer->skip_multipliers.push_back(kOne / 4);
  }

  Random random_{1};
  std::vector<ir::Graph> graphs_;
};

// More taps than one run of them.
void AddWindows(Maker* maker) {
  maker->AddConv("depthwise 9x9", {{9, 9}, {2, 1}, {4, 8, 3, 2}, {1, 1}}, 17, 17, Codes({17, 11, 12}, 8, 9));
  maker->AddConv("depthwise 13x11 dilated", {{13, 11}, {1, 1}, {12, 10, 12, 10}, {2, 1}}, 33, 33,
                 Codes({33, 9, 8}, 4, 3));
  maker->AddConv("depthwise 9x9 raw", {{9, 9}, {1, 1}, {4, 4, 4, 4}, {1, 1}}, 5, 5, Codes({5, 7, 7}, 8, 2), true);
  maker->Add("max pool 9x9", ir::MaxPool{{{9, 9}, {3, 1}, {8, 0, 4, 5}, {1, 1}}}, {Codes({19, 13, 12}, 8, 3)},
             Codes({}, 8, 3));
  std::vector<int64_t> counts(81);
  std::iota(counts.begin(), counts.end(), 1);
  maker->Add("average pool 9x9 of taps inside",
             ir::AveragePool{{{9, 9}, {1, 2}, {8, 8, 8, 8}, {1, 1}}, false, maker->ForSums(counts)},
             {Codes({19, 7, 12}, 8, 3)}, Codes({}, 8, 3));
  maker->Add("average pool 10x8 with padding",
             ir::AveragePool{{{10, 8}, {2, 1}, {5, 7, 6, 0}, {1, 1}}, true, maker->ForSums({80})},
             {Codes({35, 9, 12}, 8, 70)}, Codes({}, 8));
  maker->Add("global average pool 179x181", ir::GlobalAveragePool{maker->ForSums({179 * 181})}, {Codes({3, 179, 181})},
             Codes({}, 8));
}

// More elements than one job takes, and not a multiple of it, with channels lying in each of the ways there are.
void AddElementwise(Maker* maker) {
  const auto rescale = [&](size_t entries) { return ir::Rescale{maker->ForSums(std::vector<int64_t>(entries, 1))}; };
  maker->Add("rescale", rescale(1), {Codes({7, 71, 83})}, Codes({}, 8));
  maker->Add("rescale of an image by channel", rescale(3), {Codes({3, 171, 83})}, Codes({}, 8));
  maker->Add("rescale of a matrix by channel", rescale(3), {Codes({3, 20'001})}, Codes({}, 8));
  maker->Add("rescale of a vector by element", rescale(20'011), {Codes({20'011})}, Codes({}, 8));
  maker->Add("rescale in four dimensions", rescale(3), {Codes({3, 7, 71, 43})}, Codes({}, 8));
  maker->Add("add", ir::Add{maker->ForSums({1}, true)}, {Codes({5, 71, 83}), Codes({5, 71, 83}, 4)}, Codes({}, 8));
}

void AddLongRows(Maker* maker) {
  // A patch of 4096 bytes, which is laid out with a gap.
  maker->AddConv("row of 4080", {{3, 1}, {1, 1}, {1, 0, 1, 0}, {1, 1}}, 1, 18, Codes({1360, 5, 3}, 8, 7));
  // Fewer rows in a tile than the kernels take at once, down to one. Raw, because a few products change no code.
  maker->AddConv("row of 200,000", {{5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}}, 1, 3, Codes({8000, 3, 3}, 4, 7), true);
  maker->AddConv("row of 1,156,000", {{17, 17}, {1, 1}, {8, 8, 8, 8}, {1, 1}}, 1, 2, Codes({4000, 2, 1}, 4, 3), true);
  ir::Dense dense{maker->Weights(70, 100'000, 4), {}};
  dense.epilogue = maker->For(dense.weights, 4, true);
  maker->Add("dense of 100,000 with a skip", std::move(dense), {Codes({100'000}, 4), Codes({70})}, Codes({}, 8));
}

}  // namespace

std::vector<ir::Graph> LargeCases() {
  Maker maker;
  AddWindows(&maker);
  AddElementwise(&maker);
  AddLongRows(&maker);
  return std::move(maker).Take();
}

}  // namespace msq::conformance
