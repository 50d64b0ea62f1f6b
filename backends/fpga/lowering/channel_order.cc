#include "backends/fpga/lowering/channel_order.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <variant>

#include "backends/fpga/lowering/weight_packing.h"
#include "model/ir/printer.h"

namespace msq::fpga {

ChannelOrder::ChannelOrder(const ir::Graph& graph, const hw::Configuration& configuration)
    : configuration_(configuration), parent_(graph.tensors.size()), savings_(graph.tensors.size()) {
  std::iota(parent_.begin(), parent_.end(), size_t{0});
  const auto channels = [&](ir::TensorId id) { return graph.tensors[static_cast<size_t>(id)].type.shape[0]; };
  for (const ir::Node& node : graph.nodes) {
    const bool copies = std::holds_alternative<ir::MaxPool>(node.op) ||
                        std::holds_alternative<ir::ResizeNearest>(node.op) ||
                        std::holds_alternative<ir::Reshape>(node.op);
    const bool adds = !std::holds_alternative<ir::Concat>(node.op) && node.inputs.size() == 2;
    const ir::TensorId other = copies ? node.inputs[0] : adds ? node.inputs[1] : node.output;
    if (channels(other) == channels(node.output)) Join(other, node.output);
    const auto* conv = std::get_if<ir::Conv>(&node.op);
    if (conv != nullptr && conv->groups > 1 && conv->groups == conv->weights.rows) {
      depthwise_[node.inputs[0]] = node.output;
    }
  }
  for (const ir::Node& node : graph.nodes) {
    const ir::Weights* weights = ir::WeightsOf(node.op);
    if (weights == nullptr || std::holds_alternative<ir::Recurrent>(node.op)) continue;
    std::vector<double>& savings = savings_[ClassOf(node.output)];
    savings.resize(static_cast<size_t>(weights->rows));
    const auto length = static_cast<size_t>(weights->row_length);
    for (size_t row = 0; row < savings.size(); ++row) {
      const std::span<const int8_t> values = std::span(weights->values).subspan(row * length, length);
      if (NeedsDsp(values)) savings[row] += static_cast<double>(ir::MacCount(graph, node));
    }
  }
}

size_t ChannelOrder::ClassOf(ir::TensorId id) const {
  auto i = static_cast<size_t>(id);
  while (parent_[i] != i) i = parent_[i];
  return i;
}

void ChannelOrder::Join(ir::TensorId a, ir::TensorId b) {
  parent_[ClassOf(b)] = ClassOf(a);
}

void ChannelOrder::Assign(const std::vector<double>& savings, const std::vector<int64_t>& channels, int64_t first,
                          std::vector<int64_t>* slots) const {
  const auto saving = [&](int64_t c) {
    return static_cast<size_t>(c) < savings.size() ? savings[static_cast<size_t>(c)] : 0.0;
  };
  std::vector<int64_t> by_saving = channels;
  std::stable_sort(by_saving.begin(), by_saving.end(), [&](int64_t a, int64_t b) { return saving(a) > saving(b); });
  std::vector<int64_t> dsp, lut;  // slots
  for (int64_t slot = first; slot < first + std::ssize(channels); ++slot) {
    (configuration_.is_dsp(slot) ? dsp : lut).push_back(slot);
  }
  std::vector<bool> is_dsp(slots->size(), false);
  for (size_t i = 0; i < dsp.size() && saving(by_saving[i]) > 0; ++i) is_dsp[static_cast<size_t>(by_saving[i])] = true;
  // In order within each kind; who saves nothing takes what is left.
  std::vector<int64_t> rest;
  auto next_dsp = dsp.begin();
  for (int64_t c : channels) {
    if (is_dsp[static_cast<size_t>(c)]) {
      (*slots)[static_cast<size_t>(c)] = *next_dsp++;
    } else {
      rest.push_back(c);
    }
  }
  std::vector<int64_t> left(next_dsp, dsp.end());
  left.insert(left.end(), lut.begin(), lut.end());
  std::sort(left.begin(), left.end());
  for (size_t i = 0; i < rest.size(); ++i) (*slots)[static_cast<size_t>(rest[i])] = left[i];
}

std::vector<int64_t> ChannelOrder::Choose(ir::TensorId id, int64_t channels) const {
  std::vector<int64_t> all(static_cast<size_t>(channels)), slots(static_cast<size_t>(channels));
  std::iota(all.begin(), all.end(), int64_t{0});
  const std::vector<double>& savings = savings_[ClassOf(id)];
  const bool same = static_cast<int64_t>(savings.size()) == channels;
  Assign(same ? savings : std::vector<double>(), all, 0, &slots);
  Balance(id, &slots);
  return slots;
}

void ChannelOrder::Balance(ir::TensorId id, std::vector<int64_t>* slots) const {
  const auto found = depthwise_.find(id);
  if (found == depthwise_.end()) return;
  const std::vector<double>& savings = savings_[ClassOf(found->second)];
  if (savings.size() != slots->size()) return;
  const int64_t period = configuration_.lane_period();
  const auto part = [&](size_t channel) { return static_cast<size_t>((*slots)[channel] / period); };
  const auto is_dsp = [&](size_t channel) { return configuration_.is_dsp((*slots)[channel]); };
  // DSP lanes of each period that are left for the depthwise convolution.
  std::vector<int64_t> left(slots->size() / static_cast<size_t>(period) + 1);
  for (size_t c = 0; c < slots->size(); ++c) left[part(c)] += int64_t{is_dsp(c)} - int64_t{savings[c] > 0};
  for (size_t a = 0; a < slots->size(); ++a) {
    if (savings[a] <= 0 || left[part(a)] >= 0) continue;
    for (size_t b = 0; b < slots->size(); ++b) {
      if (savings[b] > 0 || left[part(b)] <= 0 || is_dsp(a) != is_dsp(b)) continue;
      ++left[part(a)];
      --left[part(b)];
      std::swap((*slots)[a], (*slots)[b]);
      break;
    }
  }
}

std::vector<int64_t> ChannelOrder::ChooseWithinPeriods(ir::TensorId id, std::span<const int64_t> slots) const {
  const int64_t period = configuration_.lane_period();
  std::map<int64_t, std::vector<int64_t>> parts;
  for (size_t c = 0; c < slots.size(); ++c) parts[slots[c] / period].push_back(static_cast<int64_t>(c));
  // The same order, where it serves: weights are diagonals then.
  std::vector<int64_t> chosen(slots.begin(), slots.end());
  const std::vector<double>& savings = savings_[ClassOf(id)];
  for (auto& [part, channels] : parts) {
    const bool serves = std::all_of(channels.begin(), channels.end(), [&](int64_t c) {
      const auto i = static_cast<size_t>(c);
      return i >= savings.size() || savings[i] <= 0 || configuration_.is_dsp(slots[i]);
    });
    if (!serves) Assign(savings, channels, part * period, &chosen);
  }
  return chosen;
}

}  // namespace msq::fpga
