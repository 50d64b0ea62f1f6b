#include "tests/conformance/random_ops.h"

#include <algorithm>
#include <cstdlib>

#include "model/numerics/requantize.h"
#include "tests/conformance/random_constants.h"

namespace msq::conformance {
namespace {

using ir::TensorType;

ir::Window RandomWindow(Random* random, const TensorType& input, bool pool, bool dilate) {
  ir::Window window;
  const bool square = random->Chance(60);
  for (size_t axis : {0, 1}) {
    const int64_t length = input.shape[axis + 1];
    if (axis == 1 && square) {
      window.kernel[1] = window.kernel[0];
      window.strides[1] = window.strides[0];
    } else {
      window.kernel[axis] = random->OneOf({1, 1, 2, 3, 3, 3, 4, 5, 7});
      window.strides[axis] = random->OneOf({1, 1, 1, 2, 3});
    }
    if (dilate && random->Chance(20)) window.dilations[axis] = random->Uniform(2, 3);
    const int64_t span = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
    if (!pool || window.dilations[axis] == 1) {
      const int64_t most = pool ? span - 1 : span;
      window.pads[axis] = random->Chance(60) ? std::min(most, span / 2) : random->Uniform(0, most);
      window.pads[axis + 2] = random->Chance(60) ? window.pads[axis] : random->Uniform(0, most);
    }
    if (length + window.pads[axis] + window.pads[axis + 2] < span)
      window.pads[axis + 2] = std::min(span - 1, span - length);
  }
  return window;
}

ir::Epilogue RandomEpilogue(Random* random, const TensorType& input, const ir::Weights& weights, Draft* draft) {
  if (random->Chance(12)) {
    draft->out = TensorType{};
    draft->out.kind = TensorType::Kind::kAccumulator;
    return RandomRawOutput(random, weights.rows);
  }
  std::vector<int64_t> limits;
  for (int64_t row = 0; row < weights.rows; ++row) {
    int64_t magnitude = 0;
    for (int64_t k = 0; k < weights.row_length; ++k) {
      magnitude += std::abs(int{weights.values[static_cast<size_t>(row * weights.row_length + k)]});
    }
    limits.push_back(magnitude * numerics::MaxCode(input.bits));
  }
  draft->wants_skip = random->Chance(35);
  const bool leaky = !draft->wants_skip && random->Chance(20);
  return RandomRequantizer(random, limits, draft->out.bits, draft->wants_skip, leaky);
}

// A tenth of all convolutions are 1x1 with stride 1, which kernels treat apart; many keep the shape, so that residuals fit.
void DraftConv(Random* random, const TensorType& input, Draft* draft) {
  ir::Conv conv;
  const int64_t channels = input.shape[0];
  conv.window = RandomWindow(random, input, false, true);
  int64_t rows = random->OneOf({1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 32, 33, 47, 64});
  if (random->Chance(30)) {
    conv.window = {};
  } else if (random->Chance(30)) {
    conv.window = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
    rows = channels;
  }
  if (channels > 1 && random->Chance(25)) {
    conv.groups = channels;
    rows = channels * (random->Chance(75) ? 1 : 2);
  } else if (random->Chance(25)) {
    conv.groups = random->Uniform(2, 4);
    rows = conv.groups * random->Uniform(1, 18);
  }
  const int64_t row_length =
      std::max<int64_t>(1, channels / conv.groups) * conv.window.kernel[0] * conv.window.kernel[1];
  conv.weights = RandomWeights(random, rows, row_length, input.bits);
  conv.epilogue = RandomEpilogue(random, input, conv.weights, draft);
  draft->op = std::move(conv);
}

void DraftDense(Random* random, const TensorType& input, Draft* draft) {
  ir::Dense dense;
  const int64_t rows = random->Chance(30) ? input.shape[0] : random->OneOf({1, 2, 7, 10, 16, 31, 33, 64, 101});
  dense.weights = RandomWeights(random, rows, input.shape[0], input.bits);
  dense.epilogue = RandomEpilogue(random, input, dense.weights, draft);
  draft->op = std::move(dense);
}

void DraftAveragePool(Random* random, const TensorType& input, Draft* draft) {
  ir::AveragePool pool;
  pool.window = RandomWindow(random, input, true, false);
  pool.count_include_pad = random->Chance(50);
  const int64_t taps = pool.window.kernel[0] * pool.window.kernel[1];
  const int64_t limit = taps * numerics::MaxCode(input.bits);
  const std::vector<int64_t> limits(static_cast<size_t>(pool.count_include_pad ? 1 : taps), limit);
  pool.requantizer = RandomRequantizer(random, limits, draft->out.bits, false, random->Chance(10));
  draft->op = std::move(pool);
}

void DraftSlice(Random* random, const TensorType& input, Draft* draft) {
  ir::Slice slice;
  for (int64_t length : input.shape) {
    slice.starts.push_back(random->Uniform(0, (length - 1) / 2));
    slice.ends.push_back(random->Uniform(slice.starts.back() + 1, length));
    slice.steps.push_back(random->Chance(60) ? 1 : random->Uniform(1, 3));
  }
  draft->op = std::move(slice);
}

void DraftPad(Random* random, const TensorType& input, Draft* draft) {
  ir::Pad pad;
  for (size_t i = 0; i < input.shape.size(); ++i) {
    pad.before.push_back(random->Chance(50) ? 0 : random->Uniform(0, 3));
    pad.after.push_back(random->Chance(50) ? 0 : random->Uniform(0, 3));
  }
  draft->op = std::move(pad);
}

// Flattened, or the dimensions shuffled, or one of them split.
ir::Shape RandomReshape(Random* random, const ir::Shape& shape) {
  if (random->Chance(50)) return {ir::ElementCount(shape)};
  ir::Shape result = shape;
  for (size_t i = result.size(); i > 1; --i)
    std::swap(result[i - 1], result[static_cast<size_t>(random->Uniform(0, i - 1))]);
  const auto split = static_cast<size_t>(random->Uniform(0, std::ssize(result) - 1));
  const int64_t divisor = random->OneOf({1, 2, 3});
  if (result.size() < 4 && result[split] % divisor == 0) {
    result[split] /= divisor;
    result.insert(result.begin() + static_cast<int64_t>(split), divisor);
  }
  return result;
}

void DraftOnImage(Random* random, const TensorType& input, Draft* draft) {
  const int64_t pixels = input.shape[1] * input.shape[2];
  switch (random->Uniform(0, 9)) {
    case 0:
      draft->out = input;
      draft->op = ir::MaxPool{RandomWindow(random, input, true, true)};
      return;
    case 1:
      return DraftAveragePool(random, input, draft);
    case 2:
      draft->op = ir::GlobalAveragePool{RandomRequantizer(random, {pixels * numerics::MaxCode(input.bits)},
                                                          draft->out.bits, false, random->Chance(10))};
      return;
    case 3:
      draft->out = input;
      draft->op = ir::ResizeNearest{{random->Uniform(1, 3), random->Uniform(1, 3)}};
      return;
    default:
      return DraftConv(random, input, draft);
  }
}

void DraftOnAny(Random* random, const TensorType& input, Draft* draft) {
  const int64_t high = numerics::MaxCode(input.bits);
  const int64_t kind = random->Uniform(0, 5);
  if (kind == 0) {
    draft->op = ir::Add{RandomRequantizer(random, {high}, draft->out.bits, true, false)};
    return;
  }
  if (kind == 1) {
    const std::vector<int64_t> limits(static_cast<size_t>(random->Chance(50) ? 1 : input.shape[0]), high);
    draft->op = ir::Rescale{RandomRequantizer(random, limits, draft->out.bits, false, random->Chance(40))};
    return;
  }
  draft->out = input;
  switch (kind) {
    case 2:
      draft->op = ir::Concat{random->Uniform(0, std::ssize(input.shape) - 1)};
      return;
    case 3:
      draft->op = ir::Reshape{};
      draft->out.shape = RandomReshape(random, input.shape);
      return;
    case 4:
      return DraftPad(random, input, draft);
    default:
      return DraftSlice(random, input, draft);
  }
}

}  // namespace

TensorType RandomCodes(Random* random) {
  TensorType type;
  type.bits = random->Chance(65) ? 4 : 8;
  type.zero_point = random->Chance(50) ? 0 : static_cast<int>(random->Uniform(0, numerics::MaxCode(type.bits)));
  return type;
}

ir::Shape RandomShape(Random* random, int64_t max_elements) {
  if (random->Chance(12)) return {random->OneOf({1, 2, 3, 7, 16, 31, 64, 127, 257})};
  if (random->Chance(5))
    return {random->Uniform(1, 9), random->Uniform(1, 9), random->Uniform(1, 5), random->Uniform(1, 5)};
  for (;;) {
    const int64_t channels = random->OneOf({1, 2, 3, 3, 4, 5, 7, 8, 13, 16, 16, 17, 31, 32, 33, 61, 64});
    const int64_t height = random->OneOf({1, 2, 3, 5, 7, 8, 11, 13, 16, 23});
    const int64_t width = random->Chance(50) ? height : random->OneOf({1, 2, 3, 5, 7, 8, 11, 13, 16, 29});
    if (channels * height * width <= max_elements) return {channels, height, width};
  }
}

Draft DraftOp(Random* random, const TensorType& input) {
  Draft draft;
  draft.out = RandomCodes(random);
  if (input.shape.size() == 1 && random->Chance(60)) {
    DraftDense(random, input, &draft);
  } else if (input.shape.size() == 3 && random->Chance(70)) {
    DraftOnImage(random, input, &draft);
  } else {
    DraftOnAny(random, input, &draft);
  }
  return draft;
}

}  // namespace msq::conformance
