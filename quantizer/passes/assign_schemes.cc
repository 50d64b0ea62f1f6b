// The paper's rule: filters of small variance to SP2, of large variance to fixed point.
#include "quantizer/passes/assign_schemes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <variant>

namespace msq::quantizer {
namespace {

using numerics::Scheme;

double Variance(std::span<const float> row) {
  double sum = 0, squares = 0;
  for (float w : row) sum += w, squares += static_cast<double>(w) * w;
  const auto n = static_cast<double>(row.size());
  // A depthwise 1x1 row has one weight: its magnitude stands for the spread.
  return row.size() == 1 ? squares : squares / n - sum / n * sum / n;
}

// By row: its variance as a share of the layer's.
std::vector<double> Shares(const Linear& linear) {
  std::vector<double> shares;
  const auto length = static_cast<size_t>(linear.row_length);
  for (size_t r = 0; r < static_cast<size_t>(linear.rows); ++r) {
    shares.push_back(Variance(std::span(linear.weights).subspan(r * length, length)));
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum > 0 ? sum : 1;
  return shares;
}

std::vector<Scheme> SmallestToSp2(const std::vector<double>& variance, double sp2_share) {
  const size_t rows = variance.size();
  std::vector<size_t> order(rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&variance](size_t a, size_t b) { return variance[a] < variance[b]; });
  std::vector<Scheme> schemes(rows, Scheme::kFixed4);
  const auto sp2_rows = static_cast<size_t>(std::lround(sp2_share * static_cast<double>(rows)));
  for (size_t i = 0; i < std::min(sp2_rows, rows); ++i) schemes[order[i]] = Scheme::kSp2;
  return schemes;
}

// Values whose channel c is in the same place of all of them.
class Ties {
 public:
  explicit Ties(const FloatGraph& graph) : parent_(graph.values.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const FloatNode& node : graph.nodes) {
      const auto* linear = std::get_if<Linear>(&node.op);
      if (linear != nullptr ? linear->is_depthwise() && linear->rows == linear->groups : KeepsChannels(node.op)) {
        Join(graph, node.inputs[0], node.output);
      }
      const bool adds = linear != nullptr || std::holds_alternative<Sum>(node.op);
      if (adds && node.inputs.size() > 1) Join(graph, node.inputs[1], node.output);
    }
  }
  ValueId Find(ValueId value) const {
    while (parent_[value] != value) value = parent_[value];
    return value;
  }

 private:
  static bool KeepsChannels(const FloatOp& op) {
    return !std::holds_alternative<Linear>(op) && !std::holds_alternative<ir::Concat>(op) &&
           !std::holds_alternative<ir::Pad>(op) && !std::holds_alternative<ir::Slice>(op);
  }
  // A Reshape may have changed what a channel is.
  void Join(const FloatGraph& graph, ValueId a, ValueId b) {
    if (graph.shape(a)[0] == graph.shape(b)[0]) parent_[Find(a)] = Find(b);
  }

  std::vector<ValueId> parent_;
};

}  // namespace

std::vector<std::vector<Scheme>> AssignSchemes(const FloatGraph& graph, const Plan& plan,
                                               const QuantizeOptions& options) {
  static const std::map<SchemeChoice, Scheme> uniform = {
      {SchemeChoice::kFixed, Scheme::kFixed4}, {SchemeChoice::kSp2, Scheme::kSp2}, {SchemeChoice::kP2, Scheme::kP2}};
  const Ties ties(graph);
  std::vector<std::vector<Scheme>> schemes(graph.nodes.size());
  std::map<ValueId, std::vector<double>> joint;  // variances by row, of tied layers
  for (const bool choose : {false, true}) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const auto* linear = std::get_if<Linear>(&graph.nodes[i].op);
      if (linear == nullptr) continue;
      if (plan.weights8[i] || options.scheme != SchemeChoice::kMsq) {
        const Scheme scheme = plan.weights8[i] ? Scheme::kFixed8 : uniform.at(options.scheme);
        schemes[i].assign(static_cast<size_t>(linear->rows), scheme);
        continue;
      }
      // Negative names stand for layers alone.
      const ValueId group = options.tied_rows ? ties.Find(graph.nodes[i].output) : -1 - static_cast<ValueId>(i);
      std::vector<double>& variance = joint[group];
      if (choose) {
        schemes[i] = SmallestToSp2(variance, options.sp2_share);
        continue;
      }
      const std::vector<double> shares = Shares(*linear);
      variance.resize(shares.size());
      for (size_t r = 0; r < shares.size(); ++r) variance[r] += shares[r];
    }
  }
  return schemes;
}

}  // namespace msq::quantizer
