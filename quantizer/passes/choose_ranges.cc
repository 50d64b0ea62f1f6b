// First walk: runs the float network over the calibration set, keeps some values of every tensor, and chooses ranges.
#include <algorithm>
#include <limits>
#include <variant>

#include "base/status.h"
#include "quantizer/calibrate.h"

namespace msq::quantizer {
namespace {

constexpr int64_t kKeptValues = 200000;  // per tensor, over all samples

struct Observed {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  std::vector<float> kept;
};

// Keeps evenly spread elements; the offset differs from sample to sample so that every position has its turn.
void Observe(const FloatTensor& tensor, int64_t sample, int64_t quota, Observed& observed) {
  const auto [low, high] = std::minmax_element(tensor.begin(), tensor.end());
  observed.low = *low;
  observed.high = *high;
  if (!AllModerate(tensor)) observed.high = std::numeric_limits<float>::infinity();  // minmax_element may skip NaN
  const auto size = static_cast<int64_t>(tensor.size());
  const int64_t stride = std::max<int64_t>(1, size / quota);
  for (int64_t i = sample * 7919 % stride; i < size; i += stride) observed.kept.push_back(tensor[i]);
}

// Bounds that the activations before every member of a group guarantee.
struct Bounds {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

const Activation* ClampOf(const FloatNode& node) {
  if (const auto* linear = std::get_if<Linear>(&node.op)) return linear->post ? nullptr : &linear->activation;
  if (const auto* sum = std::get_if<Sum>(&node.op)) return &sum->activation;
  return std::get_if<Activation>(&node.op);
}

std::vector<Observed> Collect(const FloatGraph& graph, const std::vector<FloatTensor>& samples, ThreadPool& pool) {
  const int64_t quota = std::max<int64_t>(64, kKeptValues / static_cast<int64_t>(samples.size()));
  // By sample first and merged in order, so that the result does not depend on the threads.
  std::vector<std::vector<Observed>> by_sample(samples.size());
  pool.ParallelFor(static_cast<int64_t>(samples.size()), [&](int64_t s) {
    by_sample[s].resize(graph.values.size());
    RunGraph(graph, samples[s],
             [&](ValueId id, const FloatTensor& tensor) { Observe(tensor, s, quota, by_sample[s][id]); });
  });
  std::vector<Observed> merged(graph.values.size());
  for (std::vector<Observed>& sample : by_sample) {
    for (size_t v = 0; v < merged.size(); ++v) {
      merged[v].low = std::min(merged[v].low, sample[v].low);
      merged[v].high = std::max(merged[v].high, sample[v].high);
      merged[v].kept.insert(merged[v].kept.end(), sample[v].kept.begin(), sample[v].kept.end());
      std::vector<float>().swap(sample[v].kept);
    }
  }
  return merged;
}

// In the order of execution, so that the cause is named and not what follows from it.
absl::Status CheckModerate(const FloatGraph& graph, const std::vector<Observed>& observed) {
  for (const FloatNode& node : graph.nodes) {
    if (observed[node.output].high <= kLargestModerate) continue;
    return InvalidArgument("node '", node.name, "': its output is not finite or beyond ", kLargestModerate,
                           " on the calibration samples");
  }
  return absl::OkStatus();
}

// Pixels have known ends: 0 and 255 after normalisation.
CodeRange PixelRange(const QuantizeOptions& options) {
  float low = 0, high = 0;
  for (size_t c = 0; c < std::max(options.mean.size(), options.stddev.size()); ++c) {
    const float mean = options.mean[options.mean.size() == 1 ? 0 : c];
    const float stddev = options.stddev[options.stddev.size() == 1 ? 0 : c];
    low = std::min(low, -mean / stddev);
    high = std::max(high, (1.0f - mean) / stddev);
  }
  return CoverRange(low, high, 8);
}

double Saturation(const Observed& observed, const CodeRange& range) {
  if (observed.kept.empty()) return 0;
  const float low = range.Low() - 0.5f * range.scale, high = range.High() + 0.5f * range.scale;
  const auto outside = std::count_if(observed.kept.begin(), observed.kept.end(),
                                     [low, high](float value) { return value < low || value > high; });
  return static_cast<double>(outside) / static_cast<double>(observed.kept.size());
}

}  // namespace

absl::Status ChooseRanges(const FloatGraph& graph, const Plan& plan, const QuantizeOptions& options,
                          const std::vector<FloatTensor>& samples, ThreadPool& pool, Calibration& result) {
  const std::vector<Observed> observed = Collect(graph, samples, pool);
  MSQ_RETURN_IF_ERROR(CheckModerate(graph, observed));
  const size_t count = graph.values.size();
  std::vector<Observed> groups(count);
  std::vector<Bounds> bounds(count,
                             Bounds{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
  const auto join = [&](ValueId value, Bounds bound) {
    const int g = plan.group[value];
    groups[g].low = std::min(groups[g].low, observed[value].low);
    groups[g].high = std::max(groups[g].high, observed[value].high);
    groups[g].kept.insert(groups[g].kept.end(), observed[value].kept.begin(), observed[value].kept.end());
    bounds[g].low = std::min(bounds[g].low, bound.low);
    bounds[g].high = std::max(bounds[g].high, bound.high);
  };
  join(graph.input, {});
  for (const FloatNode& node : graph.nodes) {
    if (KeepsType(node.op)) continue;  // its values are those of its inputs
    const Activation* clamp = ClampOf(node);
    join(node.output, clamp == nullptr ? Bounds{} : Bounds{clamp->slope == 0 ? 0.0f : clamp->low, clamp->high});
  }
  result.ranges.resize(count);
  pool.ParallelFor(static_cast<int64_t>(count), [&](int64_t g) {
    if (groups[g].kept.empty()) return;
    const float low = std::max(groups[g].low, bounds[g].low), high = std::min(groups[g].high, bounds[g].high);
    result.ranges[g] = ChooseRange(groups[g].kept, low, high, plan.bits[g], options.range, options.percentile);
  });
  if (!options.mean.empty()) result.ranges[plan.group[graph.input]] = PixelRange(options);
  result.saturation.assign(count, 0.0);
  for (size_t v = 0; v < count; ++v) result.saturation[v] = Saturation(observed[v], result.ranges[plan.group[v]]);
  return absl::OkStatus();
}

}  // namespace msq::quantizer
