// Which slot each channel of a tensor gets: rows that only DSP lanes hold in one pass go to DSP lanes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// Tensors that must agree in their order, because one is added to the other or is made of it word by word, are looked at
// together: a channel gets a DSP lane by what it saves in all of them.
class ChannelOrder {
 public:
  ChannelOrder(const ir::Graph& graph, const hw::Configuration& configuration);

  // Slots 0..channels-1 in the best order for the tensor. `channels` may differ from the tensor's first dimension if it
  // lies as another image; then they are in order.
  std::vector<int64_t> Choose(ir::TensorId id, int64_t channels) const;

  // The same, but every channel stays in the period of lanes in which it is in `slots`: what a channelwise operation's
  // tile needs.
  std::vector<int64_t> ChooseWithinPeriods(ir::TensorId id, std::span<const int64_t> slots) const;

 private:
  size_t ClassOf(ir::TensorId id) const;
  void Join(ir::TensorId a, ir::TensorId b);
  // Exchanges slots of one kind of lane so that no period has more channels than DSP lanes that save a pass in a
  // depthwise convolution of the tensor: there they can move within their period only.
  void Balance(ir::TensorId id, std::vector<int64_t>* slots) const;
  // Gives `channels` the slots first.. in the best order.
  void Assign(const std::vector<double>& savings, const std::vector<int64_t>& channels, int64_t first,
              std::vector<int64_t>* slots) const;

  const hw::Configuration configuration_;
  std::vector<size_t> parent_;                      // union-find over tensors
  std::vector<std::vector<double>> savings_;        // of each class: by channel
  std::map<ir::TensorId, ir::TensorId> depthwise_;  // by tensor: the output of a depthwise convolution that reads it
};

}  // namespace msq::fpga
