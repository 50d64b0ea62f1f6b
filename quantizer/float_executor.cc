// Convolution as patches times weights (Eigen's GEMM); everything else as plain loops.
#include "quantizer/float_executor.h"

#include <Eigen/Core>
#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

namespace msq::quantizer {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMap = Eigen::Map<const Matrix>;

constexpr int64_t kPatchFloats = 1 << 18;  // of one block of patches: stays in the second-level cache

void RunDepthwise(const Linear& op, const ir::Shape& in, const float* input, const ir::Shape& out, float* output) {
  const ir::Window& w = op.window;
  for (int64_t r = 0; r < op.rows; ++r) {
    const float* image = input + r / (op.rows / op.groups) * in[1] * in[2];
    const float* kernel = op.weights.data() + r * op.row_length;
    for (int64_t y = 0; y < out[1]; ++y) {
      float* line = output + (r * out[1] + y) * out[2];
      std::fill(line, line + out[2], op.bias[r]);
      for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
        const int64_t iy = y * w.strides[0] - w.pads[0] + ky * w.dilations[0];
        if (iy < 0 || iy >= in[1]) continue;
        for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
          const int64_t offset = kx * w.dilations[1] - w.pads[1];
          const float weight = kernel[ky * w.kernel[1] + kx];
          for (int64_t x = 0; x < out[2]; ++x) {
            const int64_t ix = x * w.strides[1] + offset;
            if (ix >= 0 && ix < in[2]) line[x] += weight * image[iy * in[2] + ix];
          }
        }
      }
    }
  }
}

void RunConv(const Linear& op, const ir::Shape& in, const float* input, const ir::Shape& out, float* output) {
  const int64_t plane = out[1] * out[2], group_rows = op.rows / op.groups, k = op.row_length;
  const int64_t block = std::clamp<int64_t>(kPatchFloats / k, 16, plane);
  std::vector<float> patches(static_cast<size_t>(k * block));
  std::vector<int64_t> positions;
  for (int64_t g = 0; g < op.groups; ++g) {
    const ConstMap weights(op.weights.data() + g * group_rows * k, group_rows, k);
    for (int64_t start = 0; start < plane; start += block) {
      const int64_t count = std::min(block, plane - start);
      positions.resize(static_cast<size_t>(count));
      std::iota(positions.begin(), positions.end(), start);
      GatherPatches(op, in, input, g, positions, out, patches.data());
      Eigen::Map<Matrix, 0, Eigen::OuterStride<>> target(output + g * group_rows * plane + start, group_rows, count,
                                                         Eigen::OuterStride<>(plane));
      target.noalias() = weights * ConstMap(patches.data(), k, count);
      for (int64_t r = 0; r < group_rows; ++r) target.row(r).array() += op.bias[g * group_rows + r];
    }
  }
}

// Calls tap(y, x, input offset) for every tap inside the image.
template <typename Tap>
void ForEachTap(const ir::Window& w, const ir::Shape& in, int64_t y, int64_t x, const Tap& tap) {
  for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
    const int64_t iy = y * w.strides[0] - w.pads[0] + ky * w.dilations[0];
    if (iy < 0 || iy >= in[1]) continue;
    for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
      const int64_t ix = x * w.strides[1] - w.pads[1] + kx * w.dilations[1];
      if (ix >= 0 && ix < in[2]) tap(iy * in[2] + ix);
    }
  }
}

// out[i] = in[source of i], or 0 where there is no source: Pad and Slice.
FloatTensor Move(const ir::Shape& in_shape, const FloatTensor& in, const ir::Shape& out_shape,
                 std::span<const int64_t> starts, std::span<const int64_t> steps) {
  FloatTensor out(static_cast<size_t>(ir::ElementCount(out_shape)), 0.0f);
  std::vector<int64_t> index(out_shape.size(), 0);
  for (float& value : out) {
    int64_t offset = 0;
    bool inside = true;
    for (size_t d = 0; d < out_shape.size(); ++d) {
      const int64_t at = starts[d] + index[d] * steps[d];
      inside = inside && at >= 0 && at < in_shape[d];
      offset = offset * in_shape[d] + at;
    }
    if (inside) value = in[static_cast<size_t>(offset)];
    for (size_t d = out_shape.size(); d-- > 0;) {
      if (++index[d] < out_shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

struct Runner {
  const FloatGraph& graph;
  const FloatNode& node;
  std::span<const FloatTensor* const> in;

  const ir::Shape& in_shape(int i = 0) const { return graph.shape(node.inputs[i]); }
  const ir::Shape& out_shape() const { return graph.shape(node.output); }

  FloatTensor operator()(const Linear& op) const {
    FloatTensor out = RunWeights(op, in_shape(), *in[0], out_shape());
    FinishLinear(op, in.size() > 1 ? in[1] : nullptr, out);
    return out;
  }
  FloatTensor operator()(const Affine& op) const {
    FloatTensor out = *in[0];
    const size_t plane = out.size() / op.scale.size();
    for (size_t i = 0; i < out.size(); ++i) out[i] = out[i] * op.scale[i / plane] + op.shift[i / plane];
    return out;
  }
  FloatTensor operator()(const Sum& op) const {
    FloatTensor out = *in[0];
    for (size_t i = 0; i < out.size(); ++i) out[i] = op.activation(out[i] + (*in[1])[i]);
    return out;
  }
  FloatTensor operator()(const Activation& op) const {
    FloatTensor out = *in[0];
    for (float& value : out) value = op(value);
    return out;
  }
  template <typename Reduce>
  FloatTensor Pool(const ir::Window& window, const Reduce& reduce) const {
    const ir::Shape &is = in_shape(), &os = out_shape();
    FloatTensor out(static_cast<size_t>(ir::ElementCount(os)));
    for (int64_t c = 0, i = 0; c < os[0]; ++c) {
      const float* image = in[0]->data() + c * is[1] * is[2];
      for (int64_t y = 0; y < os[1]; ++y) {
        for (int64_t x = 0; x < os[2]; ++x, ++i) out[i] = reduce(window, is, y, x, image);
      }
    }
    return out;
  }
  FloatTensor operator()(const ir::MaxPool& op) const {
    return Pool(op.window, [](const ir::Window& w, const ir::Shape& is, int64_t y, int64_t x, const float* image) {
      float best = -std::numeric_limits<float>::infinity();
      ForEachTap(w, is, y, x, [&](int64_t offset) { best = std::max(best, image[offset]); });
      return best;
    });
  }
  FloatTensor operator()(const ir::AveragePool& op) const {
    const bool all = op.count_include_pad;
    return Pool(op.window, [all](const ir::Window& w, const ir::Shape& is, int64_t y, int64_t x, const float* image) {
      float sum = 0;
      int64_t count = 0;
      ForEachTap(w, is, y, x, [&](int64_t offset) { sum += image[offset], ++count; });
      return sum / static_cast<float>(all ? w.kernel[0] * w.kernel[1] : std::max<int64_t>(count, 1));
    });
  }
  FloatTensor operator()(const ir::GlobalAveragePool&) const {
    const int64_t plane = in_shape()[1] * in_shape()[2];
    FloatTensor out(static_cast<size_t>(in_shape()[0]));
    for (size_t c = 0; c < out.size(); ++c) {
      const float* image = in[0]->data() + static_cast<int64_t>(c) * plane;
      out[c] = static_cast<float>(std::accumulate(image, image + plane, 0.0) / static_cast<double>(plane));
    }
    return out;
  }
  FloatTensor operator()(const ir::Concat& op) const {
    FloatTensor out;
    const ir::Shape& os = out_shape();
    const int64_t outer = std::accumulate(os.begin(), os.begin() + op.axis, int64_t{1}, std::multiplies<>());
    for (int64_t o = 0; o < outer; ++o) {
      for (size_t i = 0; i < in.size(); ++i) {
        const int64_t run = static_cast<int64_t>(in[i]->size()) / outer;
        out.insert(out.end(), in[i]->begin() + o * run, in[i]->begin() + (o + 1) * run);
      }
    }
    return out;
  }
  FloatTensor operator()(const ir::ResizeNearest& op) const {
    const ir::Shape &is = in_shape(), &os = out_shape();
    FloatTensor out;
    out.reserve(static_cast<size_t>(ir::ElementCount(os)));
    for (int64_t c = 0; c < os[0]; ++c) {
      for (int64_t y = 0; y < os[1]; ++y) {
        const float* line = in[0]->data() + (c * is[1] + y / op.factors[0]) * is[2];
        for (int64_t x = 0; x < os[2]; ++x) out.push_back(line[x / op.factors[1]]);
      }
    }
    return out;
  }
  FloatTensor operator()(const ir::Reshape&) const { return *in[0]; }
  FloatTensor operator()(const ir::Pad& op) const {
    std::vector<int64_t> starts;
    for (int64_t before : op.before) starts.push_back(-before);
    return Move(in_shape(), *in[0], out_shape(), starts, std::vector<int64_t>(starts.size(), 1));
  }
  FloatTensor operator()(const ir::Slice& op) const {
    return Move(in_shape(), *in[0], out_shape(), op.starts, op.steps);
  }
};

}  // namespace

void GatherPatches(const Linear& op, const ir::Shape& in, const float* input, int64_t group,
                   std::span<const int64_t> positions, const ir::Shape& out, float* patches) {
  const size_t count = positions.size();
  if (op.dense) {
    for (int64_t k = 0; k < op.row_length; ++k) std::fill_n(patches + k * static_cast<int64_t>(count), count, input[k]);
    return;
  }
  const ir::Window& w = op.window;
  const int64_t taps = w.kernel[0] * w.kernel[1], first_channel = group * (op.row_length / taps);
  for (int64_t k = 0; k < op.row_length; ++k) {
    const float* image = input + (first_channel + k / taps) * in[1] * in[2];
    const int64_t dy = k % taps / w.kernel[1] * w.dilations[0] - w.pads[0];
    const int64_t dx = k % w.kernel[1] * w.dilations[1] - w.pads[1];
    float* line = patches + k * static_cast<int64_t>(count);
    int64_t y = 0, first = 0;  // `first` is the position of (y, 0); positions ascend
    for (size_t i = 0; i < count; ++i) {
      while (positions[i] >= first + out[2]) first += out[2], ++y;
      const int64_t iy = y * w.strides[0] + dy, ix = (positions[i] - first) * w.strides[1] + dx;
      line[i] = iy >= 0 && iy < in[1] && ix >= 0 && ix < in[2] ? image[iy * in[2] + ix] : 0.0f;
    }
  }
}

FloatTensor RunWeights(const Linear& op, const ir::Shape& in, const FloatTensor& input, const ir::Shape& out) {
  FloatTensor result(static_cast<size_t>(ir::ElementCount(out)));
  if (op.dense) {
    Eigen::Map<Eigen::VectorXf> target(result.data(), op.rows);
    target = Eigen::Map<const Eigen::VectorXf>(op.bias.data(), op.rows);
    target.noalias() += ConstMap(op.weights.data(), op.rows, op.row_length) *
                        Eigen::Map<const Eigen::VectorXf>(input.data(), op.row_length);
  } else if (op.is_depthwise()) {
    RunDepthwise(op, in, input.data(), out, result.data());
  } else {
    RunConv(op, in, input.data(), out, result.data());
  }
  return result;
}

void FinishLinear(const Linear& op, const FloatTensor* skip, FloatTensor& values) {
  const size_t plane = values.size() / static_cast<size_t>(op.rows);
  for (size_t i = 0; i < values.size(); ++i) {
    float v = values[i];
    if (skip != nullptr) v += (*skip)[i];
    v = op.activation(v);
    if (op.post) v = v * op.post->scale[i / plane] + op.post->shift[i / plane];
    values[i] = v;
  }
}

FloatTensor RunNode(const FloatGraph& graph, const FloatNode& node, std::span<const FloatTensor* const> inputs) {
  return std::visit(Runner{graph, node, inputs}, node.op);
}

void RunGraph(const FloatGraph& graph, const FloatTensor& input,
              const std::function<void(ValueId, const FloatTensor&)>& observe) {
  std::vector<FloatTensor> values(graph.values.size());
  std::vector<size_t> last_use(graph.values.size(), 0);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ValueId id : graph.nodes[i].inputs) last_use[id] = i;
  }
  values[graph.input] = input;
  observe(graph.input, input);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FloatNode& node = graph.nodes[i];
    std::vector<const FloatTensor*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&values[id]);
    values[node.output] = RunNode(graph, node, inputs);
    observe(node.output, values[node.output]);
    for (ValueId id : node.inputs) {
      if (last_use[id] == i) FloatTensor().swap(values[id]);
    }
  }
}

}  // namespace msq::quantizer
