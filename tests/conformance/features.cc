#include "tests/conformance/features.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/numerics/requantize.h"

namespace msq::conformance {
namespace {

constexpr const char* kFeatures[] = {
    "Conv",
    "Dense",
    "Add",
    "Rescale",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Concat",
    "ResizeNearest",
    "Reshape",
    "Pad",
    "Slice",
    "scheme 0",
    "scheme 1",
    "scheme 2",
    "scheme 3",
    "scheme 4",
    "mixed schemes",
    "stride",
    "padding",
    "asymmetric padding",
    "dilation",
    "groups",
    "depthwise",
    "pointwise",
    "kernel not square",
    "conv skip",
    "dense skip",
    "leaky",
    "raw conv",
    "raw dense",
    "4-bit input",
    "8-bit input",
    "padding with a zero point",
    "average without padding",
    "average with padding",
    "rescale per channel",
    "reshape between images",
    "reads its input twice",
    "several inputs",
    "several outputs",
    "input is output",
    "read output",
    "wide pair",
};

class Counter {
 public:
  Counter(const ir::Graph& graph, FeatureCounts* counts) : graph_(graph), counts_(counts) {}

  void Run() {
    CountIf("several inputs", graph_.inputs.size() > 1);
    CountIf("several outputs", graph_.outputs.size() > 1);
    for (ir::TensorId id : graph_.outputs) {
      CountIf("input is output", std::count(graph_.inputs.begin(), graph_.inputs.end(), id) > 0);
      CountIf("read output", std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [id](const ir::Node& node) {
                return std::count(node.inputs.begin(), node.inputs.end(), id) > 0;
              }));
    }
    for (const ir::Node& node : graph_.nodes) {
      node_ = &node;
      Count(std::string(ir::OpName(node.op)));
      Count(In().bits == 4 ? "4-bit input" : "8-bit input");
      CountIf("reads its input twice", node.inputs.size() > 1 && node.inputs[0] == node.inputs[1]);
      std::visit(*this, node.op);
    }
  }

  void operator()(const ir::Conv& op) {
    CountWindow(op.window);
    CountIf("groups", op.groups > 1);
    CountIf("depthwise", op.groups > 1 && op.groups == op.weights.rows && op.groups == In().shape[0]);
    CountIf("conv skip", node_->inputs.size() > 1);
    CountIf("raw conv", std::holds_alternative<ir::RawOutput>(op.epilogue));
    CountWeights(op.weights, op.epilogue);
    // Depthwise kernels form no pairs.
    const bool one_by_one = op.groups > 1 && op.groups == op.weights.rows;
    CountIf("wide pair", !one_by_one && HasWidePair(op.weights, op.window.kernel[0] * op.window.kernel[1]));
  }
  void operator()(const ir::Dense& op) {
    CountIf("dense skip", node_->inputs.size() > 1);
    CountIf("raw dense", std::holds_alternative<ir::RawOutput>(op.epilogue));
    CountWeights(op.weights, op.epilogue);
    CountIf("wide pair", HasWidePair(op.weights, 1));
  }
  void operator()(const ir::Rescale& op) {
    CountIf("rescale per channel", op.requantizer.multipliers.size() > 1);
    CountIf("leaky", op.requantizer.leaky.has_value());
  }
  void operator()(const ir::MaxPool& op) { CountWindow(op.window); }
  void operator()(const ir::AveragePool& op) {
    CountWindow(op.window);
    Count(op.count_include_pad ? "average with padding" : "average without padding");
  }
  void operator()(const ir::Reshape&) {
    CountIf("reshape between images", In().shape.size() == 3 && Out().shape.size() == 3 && In().shape != Out().shape);
  }
  template <typename Op>
  void operator()(const Op&) {}

 private:
  const ir::TensorType& Type(ir::TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }
  const ir::TensorType& In() const { return Type(node_->inputs[0]); }
  const ir::TensorType& Out() const { return Type(node_->output); }

  void Count(const std::string& feature) {
    const auto found = counts_->find(feature);
    MSQ_CHECK(found != counts_->end());
    ++found->second;
  }
  void CountIf(const std::string& feature, bool has) {
    if (has) Count(feature);
  }

  void CountWindow(const ir::Window& w) {
    const bool pads = std::any_of(w.pads.begin(), w.pads.end(), [](int64_t pad) { return pad > 0; });
    CountIf("stride", w.strides[0] > 1 || w.strides[1] > 1);
    CountIf("padding", pads);
    CountIf("asymmetric padding", w.pads[0] != w.pads[2] || w.pads[1] != w.pads[3]);
    CountIf("padding with a zero point", pads && In().zero_point > 0);
    CountIf("dilation", w.dilations[0] > 1 || w.dilations[1] > 1);
    CountIf("pointwise", w.kernel[0] * w.kernel[1] == 1);
    CountIf("kernel not square", w.kernel[0] != w.kernel[1]);
  }

  void CountWeights(const ir::Weights& weights, const ir::Epilogue& epilogue) {
    for (ir::Scheme scheme : weights.schemes) Count(absl::StrCat("scheme ", static_cast<int>(scheme)));
    CountIf("mixed schemes",
            std::count(weights.schemes.begin(), weights.schemes.end(), weights.schemes[0]) != weights.rows);
    const auto* requantizer = std::get_if<ir::Requantizer>(&epilogue);
    CountIf("leaky", requantizer != nullptr && requantizer->leaky.has_value());
  }

  // Whether two products that the kernels add first may leave 16 bits, so that they need the wide kernel: the pairs of a
  // row laid out with the channel innermost.
  bool HasWidePair(const ir::Weights& weights, int64_t taps) const {
    const int64_t channels = weights.row_length / taps;
    const auto magnitude = [&](int64_t row, int64_t depth) {
      const int64_t index = row * weights.row_length + depth % channels * taps + depth / channels;
      return int64_t{std::abs(int{weights.values[static_cast<size_t>(index)]})};
    };
    for (int64_t row = 0; row < weights.rows; ++row) {
      for (int64_t depth = 0; depth + 1 < weights.row_length; depth += 2) {
        const int64_t sum = magnitude(row, depth) + magnitude(row, depth + 1);
        if (sum * numerics::MaxCode(In().bits) > std::numeric_limits<int16_t>::max()) return true;
      }
    }
    return false;
  }

  const ir::Graph& graph_;
  FeatureCounts* const counts_;
  const ir::Node* node_ = nullptr;
};

}  // namespace

FeatureCounts AllFeatures() {
  FeatureCounts counts;
  for (const char* feature : kFeatures) counts[feature] = 0;
  return counts;
}

void CountFeatures(const ir::Graph& graph, FeatureCounts* counts) {
  Counter(graph, counts).Run();
}

}  // namespace msq::conformance
