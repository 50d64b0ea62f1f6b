#include "model/testing/sample_model.h"

#include <cmath>
#include <random>

namespace msq::testing {
namespace {

using ir::Scheme;
using ir::TensorType;

// Appends tensors and nodes; every tensor is the output of the node added with it.
class Builder {
 public:
  ir::TensorId Tensor(std::string name, ir::Shape shape, int bits, float scale, int zero_point) {
    TensorType type;
    type.shape = std::move(shape);
    type.bits = bits;
    type.scale = scale;
    type.zero_point = zero_point;
    return Tensor(std::move(name), std::move(type));
  }

  ir::TensorId Tensor(std::string name, TensorType type) {
    graph.tensors.push_back({std::move(name), std::move(type)});
    return static_cast<ir::TensorId>(graph.tensors.size() - 1);
  }

  ir::TensorId Node(ir::Op op, std::vector<ir::TensorId> inputs, ir::TensorId output) {
    std::string name = graph.tensors[static_cast<size_t>(output)].name;
    graph.nodes.push_back({std::move(name), std::move(op), std::move(inputs), output});
    return output;
  }

  ir::Graph graph;
};

ir::Window SquareWindow(int64_t kernel, int64_t stride, int64_t pad) {
  return {{kernel, kernel}, {stride, stride}, {pad, pad, pad, pad}, {1, 1}};
}

// y = round(acc * scale) + zero_point, and a tenth of that below zero.
ir::Requantizer LeakyRequantizer(size_t entries, double scale, int zero_point) {
  ir::Requantizer result = UniformRequantizer(entries, scale, zero_point);
  ir::Requantizer::Leaky leaky;
  for (size_t i = 0; i < entries; ++i) {
    leaky.thresholds.push_back(0);
    leaky.multipliers.push_back(result.multipliers[i] / 10);
    leaky.addends.push_back(result.addends[i]);
  }
  result.leaky = std::move(leaky);
  return result;
}

ir::Requantizer WithSkip(ir::Requantizer requantizer) {
  requantizer.skip_multipliers = requantizer.multipliers;
  for (size_t i = 0; i < requantizer.multipliers.size(); ++i) {
    // The skip operand counts one for one: N = 2^S, brought into range by shifting everything.
    const int excess = std::max(0, requantizer.shifts[i] - 16);
    requantizer.skip_multipliers[i] = uint32_t{1} << (requantizer.shifts[i] - excess);
    requantizer.multipliers[i] = std::max(uint32_t{1}, requantizer.multipliers[i] >> excess);
    requantizer.addends[i] >>= excess;
    requantizer.shifts[i] = static_cast<uint8_t>(requantizer.shifts[i] - excess);
  }
  return requantizer;
}

// Everything up to a [16,4,4] tensor.
ir::TensorId BuildBody(Builder* b, ir::TensorId pixels) {
  const std::vector<Scheme> mixed = {Scheme::kSp2, Scheme::kFixed4, Scheme::kP2, Scheme::kFixed8, Scheme::kCodebook4};
  const std::vector<Scheme> msq = {Scheme::kSp2, Scheme::kFixed4, Scheme::kSp2};
  const auto image = [&](std::string name, int64_t channels, int64_t size) {
    return b->Tensor(std::move(name), {channels, size, size}, 4, 0.125f, 0);
  };
  auto x = b->Node(ir::Conv{SquareWindow(3, 1, 1), 1, PatternWeights(8, 27, mixed, 1), UniformRequantizer(8, 0.002, 5)},
                   {pixels}, image("conv", 8, 8));
  const auto pooled = b->Node(ir::MaxPool{SquareWindow(2, 2, 0)}, {x}, image("maxpool", 8, 4));
  x = b->Node(ir::Conv{SquareWindow(3, 1, 1), 8, PatternWeights(8, 9, msq, 2), LeakyRequantizer(8, 0.05, 6)}, {pooled},
              b->Tensor("depthwise", {8, 4, 4}, 4, 0.25f, 6));
  const auto residual = b->Node(
      ir::Conv{SquareWindow(1, 1, 0), 1, PatternWeights(8, 8, msq, 3), WithSkip(UniformRequantizer(8, 0.05, 0))},
      {x, pooled}, image("residual", 8, 4));
  const auto average = b->Node(ir::AveragePool{SquareWindow(3, 1, 1), true, UniformRequantizer(1, 1.0 / 9, 0)},
                               {residual}, image("average", 8, 4));
  const auto both = b->Node(ir::Concat{0}, {residual, average}, image("concat", 16, 4));
  x = b->Node(ir::ResizeNearest{{2, 2}}, {both}, image("resize", 16, 8));
  x = b->Node(ir::Slice{{0, 0, 0}, {16, 8, 8}, {2, 2, 2}}, {x}, image("slice", 8, 4));
  x = b->Node(ir::Pad{{4, 0, 0}, {4, 0, 0}}, {x}, image("pad", 16, 4));
  ir::Requantizer add = UniformRequantizer(1, 0.7, 0);
  add.skip_multipliers = add.multipliers;
  return b->Node(ir::Add{add}, {both, x}, image("add", 16, 4));
}

}  // namespace

ir::Requantizer UniformRequantizer(size_t entries, double scale, int zero_point) {
  int exponent = 0;
  const double mantissa = std::frexp(scale, &exponent);  // scale = mantissa * 2^exponent, mantissa in [1/2, 1)
  const int shift = 16 - exponent;
  const auto multiplier = static_cast<uint32_t>(mantissa * 65536);
  const int64_t addend = (int64_t{zero_point} << shift) + (int64_t{1} << (shift - 1));
  ir::Requantizer result;
  result.multipliers.assign(entries, multiplier);
  result.addends.assign(entries, addend);
  result.shifts.assign(entries, static_cast<uint8_t>(shift));
  return result;
}

ir::Weights PatternWeights(int64_t rows, int64_t row_length, const std::vector<Scheme>& schemes, uint32_t seed) {
  std::minstd_rand random(seed);
  ir::Weights weights;
  weights.rows = rows;
  weights.row_length = row_length;
  weights.alphas.assign(static_cast<size_t>(rows), 0.5f);
  for (int64_t row = 0; row < rows; ++row) {
    weights.schemes.push_back(schemes[static_cast<size_t>(row) % schemes.size()]);
  }
  for (Scheme scheme : weights.schemes) {
    if (scheme == Scheme::kCodebook4 && weights.codebooks.empty()) {
      weights.codebooks.push_back({-100, -64, -40, -25, -14, -7, -2, 0, 1, 5, 10, 18, 30, 47, 70, 110});
      weights.codebook_of_row.assign(static_cast<size_t>(rows), 0);
    }
    const int codes = 1 << numerics::CodeBits(scheme);
    for (int64_t k = 0; k < row_length;) {
      std::span<const int8_t> codebook;
      if (scheme == Scheme::kCodebook4) codebook = weights.codebooks[0];
      const auto code = static_cast<uint8_t>(random() / 16 % static_cast<uint32_t>(codes));
      const auto value = numerics::DecodeWeight(scheme, code, codebook);
      if (!value) continue;
      weights.values.push_back(*value);
      ++k;
    }
  }
  return weights;
}

ir::Model SampleModel() {
  Builder b;
  b.graph.name = "sample";
  const auto pixels = b.Tensor("pixels", {3, 8, 8}, 8, 1.0f / 64, 128);
  auto x = BuildBody(&b, pixels);
  x = b.Node(ir::Rescale{UniformRequantizer(16, 0.9, 3)}, {x}, b.Tensor("rescale", {16, 4, 4}, 8, 0.125f, 3));
  x = b.Node(ir::GlobalAveragePool{UniformRequantizer(1, 0.25, 0)}, {x}, b.Tensor("gap", {16, 1, 1}, 8, 0.03f, 0));
  x = b.Node(ir::Reshape{}, {x}, b.Tensor("flat", {16}, 8, 0.03f, 0));
  TensorType logits;
  logits.kind = TensorType::Kind::kAccumulator;
  logits.shape = {10};
  logits.row_scales.assign(10, 0.001f);
  ir::RawOutput raw;
  for (int i = 0; i < 10; ++i) raw.biases.push_back(100 * i - 450);
  x = b.Node(ir::Dense{PatternWeights(10, 16, {Scheme::kFixed8, Scheme::kSp2}, 4), raw}, {x},
             b.Tensor("logits", logits));
  b.graph.inputs = {pixels};
  b.graph.outputs = {x};

  ir::Model model;
  model.graph = std::move(b.graph);
  ir::InputDescription input;
  input.value_range = 255;
  input.mean = {0.5f, 0.45f, 0.4f};
  input.stddev = {0.25f, 0.25f, 0.3f};
  model.inputs = {input};
  model.outputs = {{{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}}};
  model.provenance.producer = "sample";
  model.provenance.settings = {{"scheme", "mixed"}};
  model.provenance.layers = {{"conv", 216, {2, 2, 2, 1, 1}, 0.01, 0.0, 300}};
  return model;
}

}  // namespace msq::testing
