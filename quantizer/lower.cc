// Real constants to multiplier, addend and shift; float nodes to IR nodes.
#include "quantizer/lower.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "base/status.h"
#include "model/numerics/requantize.h"

namespace msq::quantizer {
namespace {

using numerics::kAccumulatorLimit;
using numerics::kAddendLimit;
using numerics::kMaxShift;
using numerics::kMultiplierLimit;

double Scaled(double value, int shift) {
  return std::ldexp(value, shift);
}

bool FitsMultiplier(double gain, int shift) {
  return std::llround(Scaled(gain, shift)) < kMultiplierLimit;
}

// Addends at `shift`, or false when one does not fit.
bool FillAddends(const RequantizeGains& g, int shift, RequantizeEntry& e) {
  const double half = shift > 0 ? Scaled(0.5, shift) : 0.0;
  const double common = Scaled(g.shift, shift) + half - static_cast<double>(e.skip_multiplier) * g.skip_zero_point;
  const auto addend = [&](uint32_t multiplier, double gain) {
    // The integer offset goes through the rounded multiplier, so that it cancels exactly; the real bias does not need to.
    return common + Scaled(gain * g.bias, shift) - static_cast<double>(multiplier) * static_cast<double>(g.offset);
  };
  const double high = addend(e.multiplier, g.gain), low = g.leaky ? addend(e.low_multiplier, g.low_gain) : 0.0;
  const auto limit = static_cast<double>(kAddendLimit - 1);
  if (!(std::fabs(high) <= limit) || !(std::fabs(low) <= limit)) return false;
  e.addend = std::llround(high);
  e.low_addend = std::llround(low);
  return true;
}

}  // namespace

absl::StatusOr<RequantizeEntry> MakeEntry(const RequantizeGains& g) {
  const double largest = std::max({g.gain, g.skip_gain, g.low_gain});
  if (!std::isfinite(largest) || !std::isfinite(g.shift) || !std::isfinite(g.bias) || largest >= kMultiplierLimit - 1) {
    return FailedPrecondition("gain ", largest, " from accumulator to output code is beyond 2^17; ",
                              "the output's range is too narrow for its weights");
  }
  for (int shift = kMaxShift; shift >= 0; --shift) {
    if (!FitsMultiplier(largest, shift)) continue;
    RequantizeEntry e;
    e.shift = static_cast<uint8_t>(shift);
    e.multiplier = static_cast<uint32_t>(std::max(1LL, std::llround(Scaled(g.gain, shift))));
    if (g.skip_gain > 0)
      e.skip_multiplier = static_cast<uint32_t>(std::max(1LL, std::llround(Scaled(g.skip_gain, shift))));
    if (g.leaky) e.low_multiplier = static_cast<uint32_t>(std::llround(Scaled(g.low_gain, shift)));
    if (!FillAddends(g, shift, e)) continue;
    const double threshold = std::ceil(static_cast<double>(g.offset) - g.bias);
    e.threshold = static_cast<int32_t>(
        std::clamp(threshold, -static_cast<double>(kAccumulatorLimit), static_cast<double>(kAccumulatorLimit)));
    return e;
  }
  return FailedPrecondition("an addend does not fit 47 bits at any shift; the bias ", g.bias,
                            " is far beyond what the layer's sums can reach");
}

namespace {

class Lowering {
 public:
  Lowering(const FloatGraph& graph, const Plan& plan, const Calibration& calibration)
      : graph_(graph), plan_(plan), calibration_(calibration), ids_(graph.values.size(), -1) {}

  absl::StatusOr<ir::Graph> Run() {
    out_.name = graph_.name;
    AddTensor(graph_.input);
    out_.inputs = {ids_[graph_.input]};
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const FloatNode& node = graph_.nodes[i];
      ir::Node lowered;
      lowered.name = node.name;
      for (ValueId input : node.inputs) lowered.inputs.push_back(ids_[input]);
      AddTensor(node.output);
      lowered.output = ids_[node.output];
      MSQ_RETURN_IF_ERROR(WithContext(LowerOp(i, node, lowered), "node '", node.name, "'"));
      out_.nodes.push_back(std::move(lowered));
    }
    for (ValueId output : graph_.outputs) out_.outputs.push_back(ids_[output]);
    return std::move(out_);
  }

 private:
  const CodeRange& RangeOf(ValueId value) const { return calibration_.ranges[plan_.group[value]]; }

  void AddTensor(ValueId value) {
    ir::Tensor tensor;
    tensor.name = graph_.values[value].name;
    tensor.type.shape = graph_.shape(value);
    if (plan_.raw[value]) {
      tensor.type.kind = ir::TensorType::Kind::kAccumulator;
    } else {
      const CodeRange& range = RangeOf(value);
      tensor.type.bits = range.bits;
      tensor.type.scale = range.scale;
      tensor.type.zero_point = range.zero_point;
    }
    ids_[value] = static_cast<ir::TensorId>(out_.tensors.size());
    out_.tensors.push_back(std::move(tensor));
  }

  static absl::Status Append(const RequantizeGains& gains, ir::Requantizer& requantizer) {
    MSQ_ASSIGN_OR_RETURN(const RequantizeEntry entry, MakeEntry(gains));
    requantizer.multipliers.push_back(entry.multiplier);
    requantizer.addends.push_back(entry.addend);
    requantizer.shifts.push_back(entry.shift);
    if (gains.skip_gain > 0) requantizer.skip_multipliers.push_back(entry.skip_multiplier);
    if (gains.leaky) {
      if (!requantizer.leaky) requantizer.leaky.emplace();
      requantizer.leaky->thresholds.push_back(entry.threshold);
      requantizer.leaky->multipliers.push_back(entry.low_multiplier);
      requantizer.leaky->addends.push_back(entry.low_addend);
    }
    return absl::OkStatus();
  }

  // Relu is the clamp at code 0 when that stands for real 0.
  static bool NeedsLeaky(const Activation& activation, const CodeRange& out) {
    return activation.is_leaky() || (activation.slope == 0 && out.zero_point != 0);
  }

  // Row r of a layer whose integers are `weights`; flips the row's signs when its post scale is negative.
  RequantizeGains RowGains(const FloatNode& node, const Linear& op, const QuantizedLayer& layer, int64_t r,
                           ir::Weights& weights) const {
    const CodeRange &in = RangeOf(node.inputs[0]), &out = RangeOf(node.output);
    const double unit = static_cast<double>(weights.alphas[r]) / numerics::FullScale(weights.schemes[r]) * in.scale;
    const double scale = op.post ? op.post->scale[r] : 1.0, shift = op.post ? op.post->shift[r] : 0.0;
    int64_t sum = 0;
    for (int64_t k = 0; k < weights.row_length; ++k) {
      int8_t& value = weights.values[r * weights.row_length + k];
      if (scale < 0) value = static_cast<int8_t>(-value);
      sum += value;
    }
    RequantizeGains gains;
    gains.offset = in.zero_point * sum;
    gains.bias = (scale < 0 ? -1.0 : 1.0) * layer.bias[r] / unit;
    gains.shift = shift / out.scale + out.zero_point;
    const double gain = std::fabs(scale) * unit / out.scale;
    gains.leaky = op.post.has_value() || NeedsLeaky(op.activation, out);
    gains.gain = scale < 0 ? gain * op.activation.slope : gain;
    if (gains.leaky) gains.low_gain = scale < 0 ? gain : gain * op.activation.slope;
    if (node.inputs.size() > 1) {
      gains.skip_gain = static_cast<double>(RangeOf(node.inputs[1]).scale) / out.scale;
      gains.skip_zero_point = RangeOf(node.inputs[1]).zero_point;
    }
    return gains;
  }

  absl::Status LowerLinear(size_t index, const FloatNode& node, const Linear& op, ir::Node& lowered) {
    const QuantizedLayer& layer = calibration_.layers[index];
    ir::Weights weights = layer.weights;
    ir::Epilogue epilogue;
    if (plan_.raw[node.output]) {
      epilogue = LowerRaw(node, layer, weights);
    } else {
      ir::Requantizer requantizer;
      for (int64_t r = 0; r < op.rows; ++r) {
        const RequantizeGains gains = RowGains(node, op, layer, r, weights);
        if (gains.leaky && gains.skip_gain > 0) {
          return FailedPrecondition("a Relu with a residual shares its output's type with signed tensors");
        }
        MSQ_RETURN_IF_ERROR(WithContext(Append(gains, requantizer), "row ", r));
      }
      epilogue = std::move(requantizer);
    }
    if (op.dense) {
      lowered.op = ir::Dense{std::move(weights), std::move(epilogue)};
    } else {
      lowered.op = ir::Conv{op.window, op.groups, std::move(weights), std::move(epilogue)};
    }
    return absl::OkStatus();
  }

  ir::RawOutput LowerRaw(const FloatNode& node, const QuantizedLayer& layer, const ir::Weights& weights) {
    const CodeRange& in = RangeOf(node.inputs[0]);
    ir::RawOutput raw;
    std::vector<float>& row_scales = out_.tensors.back().type.row_scales;
    for (int64_t r = 0; r < weights.rows; ++r) {
      const double unit = static_cast<double>(weights.alphas[r]) / numerics::FullScale(weights.schemes[r]) * in.scale;
      int64_t sum = 0;
      for (int64_t k = 0; k < weights.row_length; ++k) sum += weights.values[r * weights.row_length + k];
      const double bias = layer.bias[r] / unit - static_cast<double>(in.zero_point * sum);
      const auto limit = static_cast<double>(kAccumulatorLimit - 1);
      raw.biases.push_back(static_cast<int32_t>(std::llround(std::clamp(bias, -limit, limit))));
      row_scales.push_back(static_cast<float>(unit));
    }
    return raw;
  }

  absl::StatusOr<ir::Requantizer> LowerSum(const FloatNode& node, const Sum& op) const {
    const CodeRange &a = RangeOf(node.inputs[0]), &b = RangeOf(node.inputs[1]), &out = RangeOf(node.output);
    if (NeedsLeaky(op.activation, out)) {
      return FailedPrecondition("a Relu after an Add shares its output's type with signed tensors");
    }
    RequantizeGains gains;
    gains.gain = static_cast<double>(a.scale) / out.scale;
    gains.offset = a.zero_point;
    gains.shift = out.zero_point;
    gains.skip_gain = static_cast<double>(b.scale) / out.scale;
    gains.skip_zero_point = b.zero_point;
    ir::Requantizer requantizer;
    MSQ_RETURN_IF_ERROR(Append(gains, requantizer));
    return requantizer;
  }

  // One entry for acc = sum of `taps` codes whose mean, behind `activation`, is the output.
  absl::Status AppendMean(const FloatNode& node, int64_t taps, const Activation& activation,
                          ir::Requantizer& requantizer) const {
    const CodeRange &in = RangeOf(node.inputs[0]), &out = RangeOf(node.output);
    RequantizeGains gains;
    gains.gain = static_cast<double>(in.scale) / out.scale / static_cast<double>(taps);
    gains.offset = taps * in.zero_point;
    gains.shift = out.zero_point;
    gains.leaky = NeedsLeaky(activation, out);
    if (gains.leaky) gains.low_gain = gains.gain * activation.slope;
    return Append(gains, requantizer);
  }

  absl::Status LowerOp(size_t index, const FloatNode& node, ir::Node& lowered) {
    if (const auto* linear = std::get_if<Linear>(&node.op)) return LowerLinear(index, node, *linear, lowered);
    if (const auto* sum = std::get_if<Sum>(&node.op)) {
      MSQ_ASSIGN_OR_RETURN(ir::Requantizer requantizer, LowerSum(node, *sum));
      lowered.op = ir::Add{std::move(requantizer)};
    } else if (const auto* activation = std::get_if<Activation>(&node.op)) {
      ir::Rescale rescale;
      MSQ_RETURN_IF_ERROR(AppendMean(node, 1, *activation, rescale.requantizer));
      lowered.op = std::move(rescale);
    } else if (const auto* pool = std::get_if<ir::AveragePool>(&node.op)) {
      ir::AveragePool result = *pool;
      const int64_t taps = pool->window.kernel[0] * pool->window.kernel[1];
      for (int64_t n = pool->count_include_pad ? taps : 1; n <= taps; ++n) {
        MSQ_RETURN_IF_ERROR(AppendMean(node, n, {}, result.requantizer));
      }
      lowered.op = std::move(result);
    } else if (std::holds_alternative<ir::GlobalAveragePool>(node.op)) {
      ir::GlobalAveragePool result;
      const ir::Shape& in = graph_.shape(node.inputs[0]);
      MSQ_RETURN_IF_ERROR(AppendMean(node, in[1] * in[2], {}, result.requantizer));
      lowered.op = std::move(result);
    } else {
      LowerMove(node, lowered);
    }
    return absl::OkStatus();
  }

  static void LowerMove(const FloatNode& node, ir::Node& lowered) {
    if (const auto* op = std::get_if<ir::MaxPool>(&node.op)) lowered.op = *op;
    if (const auto* op = std::get_if<ir::Concat>(&node.op)) lowered.op = *op;
    if (const auto* op = std::get_if<ir::ResizeNearest>(&node.op)) lowered.op = *op;
    if (const auto* op = std::get_if<ir::Reshape>(&node.op)) lowered.op = *op;
    if (const auto* op = std::get_if<ir::Pad>(&node.op)) lowered.op = *op;
    if (const auto* op = std::get_if<ir::Slice>(&node.op)) lowered.op = *op;
  }

  const FloatGraph& graph_;
  const Plan& plan_;
  const Calibration& calibration_;
  std::vector<ir::TensorId> ids_;
  ir::Graph out_;
};

}  // namespace

absl::StatusOr<ir::Graph> Lower(const FloatGraph& graph, const Plan& plan, const Calibration& calibration) {
  return Lowering(graph, plan, calibration).Run();
}

}  // namespace msq::quantizer
