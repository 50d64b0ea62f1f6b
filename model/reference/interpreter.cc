#include "model/reference/interpreter.h"

#include <algorithm>

#include "base/status.h"
#include "model/numerics/requantize.h"

namespace msq::reference {
namespace {

using ir::ElementCount;
using ir::Shape;
using ir::TensorType;

// A tensor's values with its shape, indexed as an image.
struct View {
  const Values& values;
  const TensorType& type;

  int64_t channels() const { return type.shape[0]; }
  int64_t height() const { return type.shape[1]; }
  int64_t width() const { return type.shape[2]; }
  bool Inside(int64_t y, int64_t x) const { return y >= 0 && y < height() && x >= 0 && x < width(); }
  int32_t At(int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>((c * height() + y) * width() + x)];
  }
};

// N10 to N12. `entry` picks the constants; `skip` is ignored when the requantizer has no second operand.
int32_t Apply(const ir::Requantizer& r, size_t entry, int32_t acc, int32_t skip, const TensorType& out) {
  const uint32_t m = r.multipliers[entry];
  const int64_t b = r.addends[entry];
  const int s = r.shifts[entry];
  if (r.leaky) {
    return numerics::RequantizeLeaky(acc, r.leaky->thresholds[entry], m, b, r.leaky->multipliers[entry],
                                     r.leaky->addends[entry], s, out.bits);
  }
  if (r.skip_multipliers.empty()) return numerics::Requantize(acc, m, b, s, out.bits);
  return numerics::RequantizeWithSkip(acc, m, static_cast<uint8_t>(skip), r.skip_multipliers[entry], b, s, out.bits);
}

int32_t Finish(const ir::Epilogue& epilogue, size_t row, int32_t acc, int32_t skip, const TensorType& out) {
  if (const auto* raw = std::get_if<ir::RawOutput>(&epilogue)) return acc + raw->biases[row];
  return Apply(std::get<ir::Requantizer>(epilogue), row, acc, skip, out);
}

// Executes one node: in[i] are its inputs, `out` the type of its output.
struct Execute {
  const std::vector<View>& in;
  const TensorType& out;

  int32_t Skip(size_t i) const { return in.size() == 2 ? in[1].values[i] : 0; }

  absl::StatusOr<Values> operator()(const ir::Conv& op) const {
    const View& x = in[0];
    const auto& [kernel, strides, pads, dilations] = op.window;
    const int64_t group_channels = x.channels() / op.groups, group_rows = op.weights.rows / op.groups;
    Values y;
    for (int64_t row = 0; row < out.shape[0]; ++row) {
      const int64_t first_channel = row / group_rows * group_channels;
      for (int64_t oy = 0; oy < out.shape[1]; ++oy) {
        for (int64_t ox = 0; ox < out.shape[2]; ++ox) {
          int32_t acc = 0;
          int64_t w = row * op.weights.row_length;
          for (int64_t c = 0; c < group_channels; ++c) {
            for (int64_t ky = 0; ky < kernel[0]; ++ky) {
              for (int64_t kx = 0; kx < kernel[1]; ++kx, ++w) {
                const int64_t iy = oy * strides[0] - pads[0] + ky * dilations[0];
                const int64_t ix = ox * strides[1] - pads[1] + kx * dilations[1];
                const int32_t q = x.Inside(iy, ix) ? x.At(first_channel + c, iy, ix) : x.type.zero_point;
                acc += op.weights.values[static_cast<size_t>(w)] * q;
              }
            }
          }
          y.push_back(Finish(op.epilogue, static_cast<size_t>(row), acc, Skip(y.size()), out));
        }
      }
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Dense& op) const {
    Values y;
    for (int64_t row = 0; row < op.weights.rows; ++row) {
      int32_t acc = 0;
      for (int64_t k = 0; k < op.weights.row_length; ++k) {
        acc += op.weights.values[static_cast<size_t>(row * op.weights.row_length + k)] *
               in[0].values[static_cast<size_t>(k)];
      }
      y.push_back(Finish(op.epilogue, static_cast<size_t>(row), acc, Skip(y.size()), out));
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Add& op) const {
    Values y;
    for (size_t i = 0; i < in[0].values.size(); ++i) {
      y.push_back(Apply(op.requantizer, 0, in[0].values[i], in[1].values[i], out));
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Rescale& op) const {
    const size_t per_channel = in[0].values.size() / static_cast<size_t>(out.shape[0]);
    const bool shared = op.requantizer.multipliers.size() == 1;
    Values y;
    for (size_t i = 0; i < in[0].values.size(); ++i) {
      y.push_back(Apply(op.requantizer, shared ? 0 : i / per_channel, in[0].values[i], 0, out));
    }
    return y;
  }

  // Calls visit(value) for each tap of the window at (c, oy, ox): the code inside the image, the zero point outside if
  // `padding` is set.
  template <typename Visit>
  void ForEachTap(const ir::Window& window, int64_t c, int64_t oy, int64_t ox, bool padding, Visit visit) const {
    for (int64_t ky = 0; ky < window.kernel[0]; ++ky) {
      for (int64_t kx = 0; kx < window.kernel[1]; ++kx) {
        const int64_t iy = oy * window.strides[0] - window.pads[0] + ky * window.dilations[0];
        const int64_t ix = ox * window.strides[1] - window.pads[1] + kx * window.dilations[1];
        if (in[0].Inside(iy, ix)) {
          visit(in[0].At(c, iy, ix));
        } else if (padding) {
          visit(in[0].type.zero_point);
        }
      }
    }
  }

  absl::StatusOr<Values> operator()(const ir::MaxPool& op) const {
    Values y;
    for (int64_t c = 0; c < out.shape[0]; ++c) {
      for (int64_t oy = 0; oy < out.shape[1]; ++oy) {
        for (int64_t ox = 0; ox < out.shape[2]; ++ox) {
          int32_t best = 0;
          ForEachTap(op.window, c, oy, ox, /*padding=*/false, [&](int32_t q) { best = std::max(best, q); });
          y.push_back(best);
        }
      }
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::AveragePool& op) const {
    Values y;
    for (int64_t c = 0; c < out.shape[0]; ++c) {
      for (int64_t oy = 0; oy < out.shape[1]; ++oy) {
        for (int64_t ox = 0; ox < out.shape[2]; ++ox) {
          int32_t acc = 0;
          size_t taps = 0;
          ForEachTap(op.window, c, oy, ox, op.count_include_pad, [&](int32_t q) {
            acc += q;
            ++taps;
          });
          y.push_back(Apply(op.requantizer, op.count_include_pad ? 0 : taps - 1, acc, 0, out));
        }
      }
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::GlobalAveragePool& op) const {
    Values y;
    const auto pixels = in[0].height() * in[0].width();
    for (int64_t c = 0; c < in[0].channels(); ++c) {
      int32_t acc = 0;
      for (int64_t i = 0; i < pixels; ++i) acc += in[0].values[static_cast<size_t>(c * pixels + i)];
      y.push_back(Apply(op.requantizer, 0, acc, 0, out));
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Concat& op) const {
    int64_t outer = 1;  // product of the dimensions before the axis
    for (int64_t d = 0; d < op.axis; ++d) outer *= out.shape[static_cast<size_t>(d)];
    Values y;
    for (int64_t o = 0; o < outer; ++o) {
      for (const View& x : in) {
        const auto chunk = static_cast<int64_t>(x.values.size()) / outer;
        y.insert(y.end(), x.values.begin() + o * chunk, x.values.begin() + (o + 1) * chunk);
      }
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::ResizeNearest& op) const {
    Values y;
    for (int64_t c = 0; c < out.shape[0]; ++c) {
      for (int64_t oy = 0; oy < out.shape[1]; ++oy) {
        for (int64_t ox = 0; ox < out.shape[2]; ++ox) y.push_back(in[0].At(c, oy / op.factors[0], ox / op.factors[1]));
      }
    }
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Reshape&) const { return in[0].values; }

  // Calls visit(index) for each index vector of `shape` in row-major order.
  template <typename Visit>
  static void ForEachIndex(const Shape& shape, Visit visit) {
    std::vector<int64_t> index(shape.size(), 0);
    for (int64_t n = ElementCount(shape); n > 0; --n) {
      visit(index);
      for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
    }
  }

  absl::StatusOr<Values> operator()(const ir::Pad& op) const {
    Values y;
    ForEachIndex(out.shape, [&](const std::vector<int64_t>& index) {
      bool inside = true;
      int64_t offset = 0;
      for (size_t d = 0; d < index.size(); ++d) {
        const int64_t position = index[d] - op.before[d], length = in[0].type.shape[d];
        inside = inside && position >= 0 && position < length;
        offset = offset * length + position;
      }
      y.push_back(inside ? in[0].values[static_cast<size_t>(offset)] : in[0].type.zero_point);
    });
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Slice& op) const {
    Values y;
    ForEachIndex(out.shape, [&](const std::vector<int64_t>& index) {
      int64_t offset = 0;
      for (size_t d = 0; d < index.size(); ++d) {
        offset = offset * in[0].type.shape[d] + op.starts[d] + index[d] * op.steps[d];
      }
      y.push_back(in[0].values[static_cast<size_t>(offset)]);
    });
    return y;
  }

  absl::StatusOr<Values> operator()(const ir::Recurrent&) const {
    return Unimplemented("recurrent layers are not executable yet");
  }
};

absl::Status CheckInput(const ir::Tensor& tensor, const Values& values) {
  if (static_cast<int64_t>(values.size()) != ElementCount(tensor.type.shape)) {
    return InvalidArgument("input '", tensor.name, "' has ", values.size(), " values, its shape is ",
                           ir::ToString(tensor.type.shape));
  }
  for (int32_t value : values) {
    if (value < 0 || value > numerics::MaxCode(tensor.type.bits)) {
      return InvalidArgument("input '", tensor.name, "': ", value, " is no ", tensor.type.bits, "-bit code");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Values>> RunAll(const ir::Graph& graph, std::span<const Values> inputs) {
  if (inputs.size() != graph.inputs.size()) {
    return InvalidArgument("graph takes ", graph.inputs.size(), " inputs, got ", inputs.size());
  }
  std::vector<Values> values(graph.tensors.size());
  const auto view = [&](ir::TensorId id) {
    const auto i = static_cast<size_t>(id);
    return View{values[i], graph.tensors[i].type};
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<size_t>(graph.inputs[i]);
    MSQ_RETURN_IF_ERROR(CheckInput(graph.tensors[id], inputs[i]));
    values[id] = inputs[i];
  }
  for (const ir::Node& node : graph.nodes) {
    std::vector<View> in;
    for (ir::TensorId id : node.inputs) in.push_back(view(id));
    const auto output = static_cast<size_t>(node.output);
    absl::StatusOr<Values> result = std::visit(Execute{in, graph.tensors[output].type}, node.op);
    if (!result.ok()) return WithContext(result.status(), "node '", node.name, "'");
    values[output] = *std::move(result);
  }
  return values;
}

absl::StatusOr<std::vector<Values>> Run(const ir::Graph& graph, std::span<const Values> inputs) {
  MSQ_ASSIGN_OR_RETURN(std::vector<Values> values, RunAll(graph, inputs));
  std::vector<Values> outputs;
  for (ir::TensorId id : graph.outputs) outputs.push_back(values[static_cast<size_t>(id)]);
  return outputs;
}

}  // namespace msq::reference
