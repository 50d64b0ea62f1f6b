// Second walk: layer after layer over all samples at once, float and quantized side by side.
#include "quantizer/calibrate.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <variant>

#include "base/status.h"
#include "quantizer/passes/assign_schemes.h"
#include "quantizer/passes/quantize_weights.h"

namespace msq::quantizer {
namespace {

using Eigen::MatrixXf;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kWalkFloats = int64_t{1} << 29;  // of all live tensors of all samples: 2 GiB
constexpr int64_t kPositions = 256;                // output positions per sample that feed the covariance
constexpr int64_t kMaxCompensatedLength = 4608;    // 512 channels of 3x3: elimination beyond would take minutes
constexpr int kPartialSums = 4;                    // fixed, so that the result does not depend on the threads

// Largest number of floats per sample that are alive at once.
int64_t PeakFloats(const FloatGraph& graph, const std::vector<size_t>& last_use) {
  int64_t live = ir::ElementCount(graph.shape(graph.input)), peak = live;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    live += ir::ElementCount(graph.shape(graph.nodes[i].output));
    peak = std::max(peak, live);
    std::vector<ValueId> inputs = graph.nodes[i].inputs;
    std::sort(inputs.begin(), inputs.end());
    inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
    for (ValueId id : inputs) {
      if (last_use[id] == i) live -= ir::ElementCount(graph.shape(id));
    }
  }
  return peak;
}

class Walk {
 public:
  Walk(const FloatGraph& graph, const Plan& plan, const QuantizeOptions& options, ThreadPool& pool, Calibration& result)
      : graph_(graph),
        plan_(plan),
        options_(options),
        pool_(pool),
        result_(result),
        schemes_(AssignSchemes(graph, plan, options)),
        last_use_(graph.values.size(), 0) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (ValueId id : graph.nodes[i].inputs) last_use_[id] = i;
    }
    for (ValueId id : graph.outputs) last_use_[id] = graph.nodes.size();
  }

  void Run(const std::vector<FloatTensor>& samples, const Progress& progress) {
    const int64_t fit = std::max<int64_t>(8, kWalkFloats / (2 * PeakFloats(graph_, last_use_)));
    count_ = std::min<int64_t>(static_cast<int64_t>(samples.size()), fit);
    result_.samples = static_cast<int>(count_);
    if (count_ < static_cast<int64_t>(samples.size())) {
      result_.notes.push_back(
          absl::StrCat("weights were calibrated on ", count_, " of the ", samples.size(), " samples, to bound memory"));
    }
    float_.assign(graph_.values.size(), std::vector<FloatTensor>(static_cast<size_t>(count_)));
    quantized_ = float_;
    const auto total = static_cast<int64_t>(samples.size());
    pool_.ParallelFor(count_, [&](int64_t s) {
      float_[graph_.input][s] = quantized_[graph_.input][s] = samples[s * total / count_];
      RoundToCodes(graph_.input, quantized_[graph_.input][s]);
    });
    result_.layers.resize(graph_.nodes.size());
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      Step(i);
      Release(i);
      progress(static_cast<int>(i) + 1, static_cast<int>(graph_.nodes.size()));
    }
    MeasureAgreement();
  }

 private:
  std::vector<const FloatTensor*> Inputs(const std::vector<std::vector<FloatTensor>>& values, const FloatNode& node,
                                         int64_t s) const {
    std::vector<const FloatTensor*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&values[id][s]);
    return inputs;
  }

  void RoundToCodes(ValueId value, FloatTensor& tensor) const {
    if (plan_.raw[value]) return;
    const CodeRange& range = result_.ranges[plan_.group[value]];
    for (float& v : tensor) v = range.Round(v);
  }

  void Step(size_t index) {
    const FloatNode& node = graph_.nodes[index];
    if (const auto* linear = std::get_if<Linear>(&node.op); linear != nullptr) {
      StepLinear(index, node, *linear);
      return;
    }
    const bool keeps_type = KeepsType(node.op);
    pool_.ParallelFor(count_, [&](int64_t s) {
      float_[node.output][s] = RunNode(graph_, node, Inputs(float_, node, s));
      quantized_[node.output][s] = RunNode(graph_, node, Inputs(quantized_, node, s));
      if (!keeps_type) RoundToCodes(node.output, quantized_[node.output][s]);
    });
  }

  void StepLinear(size_t index, const FloatNode& node, const Linear& linear) {
    const ir::Shape &in = graph_.shape(node.inputs[0]), &out = graph_.shape(node.output);
    QuantizedLayer& layer = result_.layers[index];
    Linear quantized = linear;
    Quantize(index, node, linear, layer);
    quantized.weights = Dequantize(layer.weights);
    layer.weight_distortion = Distortion(linear.weights, quantized.weights);
    pool_.ParallelFor(count_, [&](int64_t s) {
      float_[node.output][s] = RunWeights(linear, in, float_[node.inputs[0]][s], out);
      quantized_[node.output][s] = RunWeights(quantized, in, quantized_[node.inputs[0]][s], out);
    });
    const std::vector<float> correction = BiasCorrection(node, linear.rows);
    layer.bias = linear.bias;
    for (int64_t r = 0; r < linear.rows; ++r) layer.bias[r] += correction[r];
    pool_.ParallelFor(count_, [&](int64_t s) {
      FloatTensor &f = float_[node.output][s], &q = quantized_[node.output][s];
      const size_t plane = q.size() / static_cast<size_t>(linear.rows);
      for (size_t i = 0; i < q.size(); ++i) q[i] += correction[i / plane];
      const bool skip = node.inputs.size() > 1;
      FinishLinear(linear, skip ? &float_[node.inputs[1]][s] : nullptr, f);
      FinishLinear(linear, skip ? &quantized_[node.inputs[1]][s] : nullptr, q);
      RoundToCodes(node.output, q);
    });
  }

  void Quantize(size_t index, const FloatNode& node, const Linear& linear, QuantizedLayer& layer) {
    const std::vector<numerics::Scheme>& schemes = schemes_[index];
    InputStatistics statistics;
    if (options_.rounding == Rounding::kCompensated) {
      if (linear.row_length <= kMaxCompensatedLength) {
        statistics.covariance = Covariance(node, linear);
      } else {
        result_.notes.push_back(absl::StrCat("'", node.name, "': rows of ", linear.row_length,
                                             " weights are rounded to nearest, without compensation"));
      }
    }
    const CodeRange& input = result_.ranges[plan_.group[node.inputs[0]]];
    std::vector<float> min_alpha;
    if (plan_.raw[node.output]) {  // the bias must fit the raw output's integer bias
      for (int64_t r = 0; r < linear.rows; ++r) {
        const auto full_scale = static_cast<float>(numerics::FullScale(schemes[r]));
        min_alpha.push_back(std::fabs(linear.bias[r]) * full_scale / (input.scale * 0x1p21f));
      }
    }
    int widened = 0;
    layer.weights = QuantizeWeights(linear, schemes, statistics, (1 << input.bits) - 1, min_alpha, pool_, &widened);
    if (widened > 0) {
      result_.notes.push_back(absl::StrCat("'", node.name, "': ", widened, " of ", linear.rows,
                                           " rows use a wider alpha, to keep sums below 2^23 (N8)"));
    }
  }

  // Of the quantized inputs' patches, per group, with their mean taken out (the bias makes up for it).
  std::vector<MatrixXf> Covariance(const FloatNode& node, const Linear& linear) const {
    const ir::Shape &in = graph_.shape(node.inputs[0]), &out = graph_.shape(node.output);
    const int64_t k = linear.row_length, plane = linear.dense ? 1 : out[1] * out[2];
    const int64_t parts = std::min<int64_t>(kPartialSums, count_), taken = std::min(plane, kPositions);
    std::vector<MatrixXf> result(static_cast<size_t>(linear.groups));
    for (int64_t g = 0; g < linear.groups; ++g) {
      std::vector<MatrixXf> products(static_cast<size_t>(parts), MatrixXf::Zero(k, k));
      std::vector<Eigen::VectorXf> sums(static_cast<size_t>(parts), Eigen::VectorXf::Zero(k));
      pool_.ParallelFor(parts, [&](int64_t part) {
        std::vector<int64_t> positions(static_cast<size_t>(taken));
        RowMajor patches(k, taken);
        for (int64_t s = part; s < count_; s += parts) {
          for (int64_t i = 0; i < taken; ++i) positions[i] = (i * plane + s * 7919 % plane) / taken % plane;
          std::sort(positions.begin(), positions.end());
          GatherPatches(linear, in, quantized_[node.inputs[0]][s].data(), g, positions, out, patches.data());
          products[part].selfadjointView<Eigen::Lower>().rankUpdate(patches);
          sums[part] += patches.rowwise().sum();
        }
      });
      for (int64_t part = 1; part < parts; ++part) products[0] += products[part], sums[0] += sums[part];
      const auto n = static_cast<float>(count_ * taken);
      const Eigen::VectorXf mean = sums[0] / n;
      MatrixXf covariance = MatrixXf(products[0].selfadjointView<Eigen::Lower>()) / n;
      covariance.noalias() -= mean * mean.transpose();
      result[g] = std::move(covariance);
    }
    return result;
  }

  // Mean difference of float and quantized sums, by row.
  std::vector<float> BiasCorrection(const FloatNode& node, int64_t rows) const {
    std::vector<float> correction(static_cast<size_t>(rows), 0.0f);
    if (!options_.bias_correction) return correction;
    const auto plane = static_cast<int64_t>(float_[node.output][0].size()) / rows;
    pool_.ParallelFor(rows, [&](int64_t r) {
      double difference = 0;
      for (int64_t s = 0; s < count_; ++s) {
        const float *f = float_[node.output][s].data() + r * plane, *q = quantized_[node.output][s].data() + r * plane;
        for (int64_t i = 0; i < plane; ++i) difference += f[i] - q[i];
      }
      correction[r] = static_cast<float>(difference / static_cast<double>(count_ * plane));
    });
    return correction;
  }

  static double Distortion(const std::vector<float>& real, const std::vector<float>& rounded) {
    double error = 0, power = 0;
    for (size_t i = 0; i < real.size(); ++i) {
      error += (static_cast<double>(real[i]) - rounded[i]) * (static_cast<double>(real[i]) - rounded[i]);
      power += static_cast<double>(real[i]) * real[i];
    }
    return power > 0 ? error / power : 0;
  }

  void Release(size_t index) {
    for (ValueId id : graph_.nodes[index].inputs) {
      if (last_use_[id] != index) continue;
      float_[id] = std::vector<FloatTensor>(static_cast<size_t>(count_));
      quantized_[id] = std::vector<FloatTensor>(static_cast<size_t>(count_));
    }
  }

  void MeasureAgreement() {
    const ValueId output = graph_.outputs[0];
    int same = 0;
    for (int64_t s = 0; s < count_; ++s) {
      const FloatTensor &f = float_[output][s], &q = quantized_[output][s];
      same +=
          std::max_element(f.begin(), f.end()) - f.begin() == std::max_element(q.begin(), q.end()) - q.begin() ? 1 : 0;
    }
    result_.agreement = static_cast<double>(same) / static_cast<double>(count_);
  }

  const FloatGraph& graph_;
  const Plan& plan_;
  const QuantizeOptions& options_;
  ThreadPool& pool_;
  Calibration& result_;
  const std::vector<std::vector<numerics::Scheme>> schemes_;  // by node
  std::vector<size_t> last_use_;
  int64_t count_ = 0;
  std::vector<std::vector<FloatTensor>> float_, quantized_;  // [value][sample]
};

}  // namespace

absl::StatusOr<Calibration> Calibrate(const FloatGraph& graph, const Plan& plan, const QuantizeOptions& options,
                                      const std::vector<FloatTensor>& samples, ThreadPool& pool,
                                      const Progress& progress) {
  Calibration result;
  MSQ_RETURN_IF_ERROR(ChooseRanges(graph, plan, options, samples, pool, result));
  Walk(graph, plan, options, pool, result).Run(samples, progress);
  return result;
}

}  // namespace msq::quantizer
