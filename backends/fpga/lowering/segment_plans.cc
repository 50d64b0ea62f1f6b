// Chooses segments: what they cost is estimated, the cheapest way through the network is found by dynamic programming.
#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "backends/fpga/lowering/first_layer.h"
#include "backends/fpga/lowering/pixel_tiles.h"
#include "backends/fpga/lowering/segments.h"

namespace msq::fpga {
namespace {

constexpr size_t kMaxNodes = 6;            // of a segment in strips
constexpr double kDramEfficiency = 0.95;   // words of a port a cycle
constexpr double kInstructionCycles = 64;  // from one CONV to the next: the pipeline runs empty
constexpr size_t kMaxPlans = 12;
constexpr int64_t kMaxHeight = 4095;  // of the fields: rows of an image that is there as a whole

// What a segment takes.
struct Load {
  double conv = 0, port = 0, store = 0;  // cycles of the array, the busiest read port, the write port
  int64_t words = 0;                     // of the activation memory
};

class Planner {
 public:
  // Images of more than `limit` words are spilled; `memory` words may be taken.
  Planner(const ir::Graph& graph, const hw::Configuration& configuration, int64_t limit, int64_t memory)
      : graph_(graph), configuration_(configuration), memory_(memory), uses_(UsesOf(graph)) {
    for (size_t id = 0; id < graph.tensors.size(); ++id) {
      const TensorUse& use = uses_[id];
      const bool image = graph.tensors[id].type.shape.size() == 3;
      const bool packed = IsPacked(static_cast<ir::TensorId>(id)), both = use.input && use.output;
      words_.push_back(packed ? 0 : WordsOf(static_cast<ir::TensorId>(id)));
      const bool large = words_.back() > limit || HeightOf(static_cast<ir::TensorId>(id)) > kMaxHeight;
      spilled_.push_back(image && large && !packed && !both);
    }
  }

  // The cheapest plan and its cycles.
  std::optional<std::pair<double, Plan>> Run() const {
    const size_t count = graph_.nodes.size();
    constexpr double kNever = std::numeric_limits<double>::infinity();
    std::vector<double> best(count + 1, kNever);  // from node i to the end
    std::vector<Segment> choice(count);
    best[count] = 0;
    const auto offer = [&](const Segment& segment, std::optional<double> cycles) {
      if (!cycles || *cycles + best[segment.end] >= best[segment.begin]) return;
      best[segment.begin] = *cycles + best[segment.end];
      choice[segment.begin] = segment;
    };
    for (size_t i = count; i-- > 0;) {
      const size_t end = i + (TakesPooling(i) ? 2 : 1);
      offer({i, end, 0}, CyclesAtOnce({i, end, 0}));
      for (size_t j = i; j < std::min(count, i + kMaxNodes) && InStrips(graph_.nodes[j]); ++j) {
        const int64_t height = HeightOf(graph_.nodes[j].output);
        for (int64_t strips = 1; strips <= height; strips += std::max<int64_t>(1, strips / 4)) {
          offer({i, j + 1, strips}, CyclesInStrips({i, j + 1, strips}));
        }
      }
    }
    if (best[0] == kNever) return std::nullopt;
    Plan plan{{}, spilled_};
    for (size_t i = 0; i < count; i = choice[i].end) plan.segments.push_back(choice[i]);
    return std::pair(best[0], std::move(plan));
  }

 private:
  const ir::TensorType& Type(ir::TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }
  int64_t HeightOf(ir::TensorId id) const { return Type(id).shape.size() == 3 ? Type(id).shape[1] : 1; }
  bool IsSpilled(ir::TensorId id) const { return spilled_[static_cast<size_t>(id)]; }

  int64_t RowWords(ir::TensorId id, bool whole_tiles = false) const {
    const ir::TensorType& type = Type(id);
    const int64_t height = HeightOf(id), pixels = ir::ElementCount(type.shape) / type.shape[0];
    int64_t groups = CeilDiv(RoundUp(type.shape[0], configuration_.q), kWordChannels);
    if (type.kind == ir::TensorType::Kind::kAccumulator) return 8 * groups * pixels / height;
    if (whole_tiles) groups = RoundUp(groups, std::max<int64_t>(1, configuration_.lanes() / kWordChannels));
    return type.bits / 4 * groups * pixels / height;
  }
  int64_t WordsOf(ir::TensorId id) const { return RowWords(id) * HeightOf(id); }

  // An input that one convolution reads may come in strips of its own.
  bool IsPacked(ir::TensorId id) const {
    const TensorUse& use = uses_[static_cast<size_t>(id)];
    if (!use.input || use.output || use.born < 0 || use.born != use.last_reader) return false;
    const ir::Node& node = graph_.nodes[static_cast<size_t>(use.born)];
    const auto* conv = std::get_if<ir::Conv>(&node.op);
    return conv != nullptr && node.inputs == std::vector{id} && ChoosePacking(*conv, Type(id)).has_value();
  }
  // Such a convolution may do a pooling too, and its own output is never there.
  bool TakesPooling(size_t n) const {
    const ir::Node& node = graph_.nodes[n];
    const TensorUse& use = uses_[static_cast<size_t>(node.output)];
    return IsPacked(node.inputs[0]) && n + 1 < graph_.nodes.size() && !use.output &&
           use.last_reader == static_cast<int64_t>(n + 1) && graph_.nodes[n + 1].inputs[0] == node.output &&
           std::holds_alternative<ir::MaxPool>(graph_.nodes[n + 1].op);
  }
  // Words of the smallest strips of a packed input, and of what the convolution gives if it is pooled.
  int64_t FirstLayerWords(const Segment& segment) const {
    const ir::Node& node = graph_.nodes[segment.begin];
    const auto& conv = std::get<ir::Conv>(node.op);
    const ir::TensorType& in = Type(node.inputs[0]);
    int64_t rows = 1;  // of the convolution for a row of the output
    if (segment.end > segment.begin + 1) {
      const ir::Window& pool = std::get<ir::MaxPool>(graph_.nodes[segment.begin + 1].op).window;
      rows = std::min(HeightOf(node.output), (pool.kernel[0] - 1) * pool.dilations[0] + 1);
    }
    const ImageLayout packed = PackedLayout(conv, *ChoosePacking(conv, in), in.bits, rows, Type(node.output).shape[2]);
    return 2 * (packed.words() + (segment.end > segment.begin + 1 ? rows * RowWords(node.output) : 0));
  }
  bool InStrips(const ir::Node& node) const { return MayRunInStrips(graph_, node) && !IsPacked(node.inputs[0]); }

  // Words of all tensors that are there as a whole at some time of the segment.
  int64_t ResidentWords(const Segment& segment) const {
    int64_t words = 0;
    for (size_t id = 0; id < uses_.size(); ++id) {
      const TensorUse& use = uses_[id];
      const auto begin = static_cast<int64_t>(segment.begin), end = static_cast<int64_t>(segment.end);
      const bool inside =
          use.born >= begin && use.last_reader < end && !use.input && !use.output && use.last_reader >= 0;
      if (use.born < 0 || use.born >= end || spilled_[id] || inside) continue;
      if (use.last_reader >= begin || use.born >= begin) words += words_[id];
    }
    return words - OverwrittenWords(segment);
  }
  // A residual that is read for the last time is overwritten by the sum.
  int64_t OverwrittenWords(const Segment& segment) const {
    int64_t words = 0;
    for (size_t n = segment.begin; n < segment.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      if (!HasResidual(node)) continue;
      const ir::TensorId skip = node.inputs[1];
      const TensorUse& use = uses_[static_cast<size_t>(skip)];
      const bool whole = !IsSpilled(skip) && !IsSpilled(node.output) && !use.input &&
                         use.born < static_cast<int64_t>(segment.begin) && use.last_reader == static_cast<int64_t>(n);
      bool alone = whole && Type(skip).bits == Type(node.output).bits;
      for (size_t other = segment.begin; other <= n; ++other) {
        const std::vector<ir::TensorId>& inputs = graph_.nodes[other].inputs;
        alone = alone && std::count(inputs.begin(), inputs.end(), skip) == (other == n ? 1 : 0);
      }
      if (alone) words += WordsOf(skip);
    }
    return words;
  }

  // Cycles of VEC for `rows` rows of the output: it reads a word a cycle, and may wait for CONV or CONV for it.
  void AddMoves(const ir::Node& node, int64_t rows, Load* load) const {
    const auto* pool = std::get_if<ir::MaxPool>(&node.op);
    const int64_t taps = pool == nullptr ? 1 : pool->window.kernel[0] * pool->window.kernel[1];
    load->conv += static_cast<double>(rows * RowWords(node.output) * taps) / configuration_.vecs;
  }

  // The window of a node that CONV computes, if that is not all there is of it.
  std::optional<ir::Window> WindowOf(const ir::Node& node) const {
    if (const auto* conv = std::get_if<ir::Conv>(&node.op)) return conv->window;
    if (const auto* pool = std::get_if<ir::AveragePool>(&node.op)) return pool->window;
    return IsChannelwise(graph_, node) ? std::optional<ir::Window>(ir::Window{}) : std::nullopt;
  }

  // Cycles and weights of `rows` rows of the output.
  void AddRows(const ir::Node& node, int64_t rows, Load* load) const {
    if (rows <= 0 || !MayRunInStrips(graph_, node)) return;
    const auto window = WindowOf(node);
    if (!window) return AddMoves(node, rows, load);
    const int64_t out_channels = Type(node.output).shape[0];
    const int64_t lanes = configuration_.lanes(), channels = Type(node.inputs[0]).shape[0];
    const int64_t width = Type(node.output).shape[2], passes = Type(node.inputs[0]).bits / 4;
    const auto [kernel_h, kernel_w] = window->kernel;
    ChannelwiseTile tile = {1, lanes, kernel_h * kernel_w * CeilDiv(channels, kWordChannels)};
    const bool channelwise = IsChannelwise(graph_, node) && lanes % kWordChannels == 0;
    if (channelwise) {
      const ChannelwiseShape shape = {out_channels, Type(node.inputs[0]).shape[2], rows, width, passes};
      tile = ChooseChannelwiseTile(*window, shape, configuration_);
    }
    const int64_t steps = tile.steps, tiles = CeilDiv(out_channels, tile.channels);
    const int64_t last_groups = CeilDiv((out_channels - (tiles - 1) * tile.channels) * tile.pixels, configuration_.q);
    const int64_t pixels = CeilDiv(rows * width / tile.pixels, configuration_.p);
    const int64_t drain = int64_t{configuration_.p} * lanes / configuration_.q;
    const int64_t cycles =
        (tiles - 1) * std::max(steps, drain) + std::max(steps, last_groups * int64_t{configuration_.p});
    const int64_t beats =
        channelwise ? ChannelwiseBeats(tile, configuration_) : (steps + 2) * lanes / configuration_.ports;
    const auto weights = static_cast<double>(tiles * beats);
    load->conv += std::max(static_cast<double>(passes * pixels * cycles), weights / kDramEfficiency);
    load->conv += kInstructionCycles;
    load->port += weights;
  }

  // Whether an image is too high for the instructions' fields where it is whole.
  bool IsTooHigh(const ir::Node& node) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [this](ir::TensorId id) { return !IsPacked(id) && HeightOf(id) > kMaxHeight; });
  }
  // A spilled tensor may be seen in another shape where it is.
  bool IsRenamed(const ir::Node& node) const {
    return std::holds_alternative<ir::Reshape>(node.op) && IsSpilled(node.inputs[0]) && IsSpilled(node.output) &&
           !uses_[static_cast<size_t>(node.output)].output &&
           Type(node.inputs[0]).shape[0] == Type(node.output).shape[0];
  }

  std::optional<double> CyclesAtOnce(const Segment& segment) const {
    Load load{.words = ResidentWords(segment)};
    const ir::Node& first = graph_.nodes[segment.begin];
    if (!first.inputs.empty() && IsPacked(first.inputs[0])) load.words += FirstLayerWords(segment);
    for (size_t n = segment.begin; n < segment.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      if (IsRenamed(node)) continue;
      if (IsTooHigh(node)) return std::nullopt;
      AddRows(node, HeightOf(node.output), &load);
      // Spilled tensors are whole for a while, except between a convolution and its pooling.
      for (ir::TensorId id : node.inputs) {
        if (n > segment.begin || !IsSpilled(id)) continue;
        // What is reshaped lies in the same words as before.
        if (!std::holds_alternative<ir::Reshape>(node.op)) load.words += words_[static_cast<size_t>(id)];
        load.conv += static_cast<double>(words_[static_cast<size_t>(id)]);
      }
      if (n + 1 == segment.end && IsSpilled(node.output)) {
        const int64_t whole = words_[static_cast<size_t>(node.output)];
        const bool fits = load.words + whole <= memory_ || !IsPacked(graph_.nodes[segment.begin].inputs[0]);
        load.words += fits ? whole : 2 * RowWords(node.output);
        load.store += static_cast<double>(words_[static_cast<size_t>(node.output)]);
      }
    }
    return Cycles(load);
  }

  std::optional<double> CyclesInStrips(const Segment& segment) const {
    Load load{.words = ResidentWords(segment)};
    if (load.words > memory_) return std::nullopt;
    const SegmentTensors tensors = DivideSegment(graph_, uses_, spilled_, segment);
    double loads = 0;
    for (const auto& [id, tensor] : tensors) {
      int64_t rows = 0;
      for (const RowRange& range : tensor.rows) rows += range.count();
      const auto words = static_cast<double>(rows * RowWords(id));
      if (tensor.loaded()) loads += words;
      if (tensor.stored()) load.store += words;
      if (!tensor.strip || tensor.place_of >= 0) continue;
      load.words += tensor.buffers * tensor.MaxRows() * RowWords(id, IsReadChannelwise(graph_, segment, id));
    }
    for (size_t n = segment.begin; n < segment.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      for (const RowRange& range : tensors.at(node.output).rows) AddRows(node, range.count(), &load);
    }
    load.port += loads;
    // The first strip's loading and the last one's storing run beside other segments, but not always.
    load.conv += (loads + load.store) / (2 * static_cast<double>(segment.strips));
    return Cycles(load);
  }

  std::optional<double> Cycles(const Load& load) const {
    if (load.words > memory_) return std::nullopt;
    return std::max({load.conv, load.port / kDramEfficiency, load.store / kDramEfficiency});
  }

  const ir::Graph& graph_;
  const hw::Configuration configuration_;
  const int64_t memory_;
  const std::vector<TensorUse> uses_;
  std::vector<int64_t> words_;
  std::vector<bool> spilled_;

 public:
  // What a limit may be compared with.
  std::set<int64_t> Sizes() const { return {words_.begin(), words_.end()}; }
};

}  // namespace

std::vector<Plan> MakePlans(const ir::Graph& graph, const hw::Configuration& configuration) {
  const int64_t memory = int64_t{configuration.banks} * configuration.depth;
  std::vector<std::pair<double, Plan>> found;
  for (const int64_t limit : Planner(graph, configuration, memory, memory).Sizes()) {
    if (limit > memory) continue;
    // Gaps between tensors may be too small for what comes next: less memory leaves more room for them.
    for (const int64_t part : {16, 14, 12, 10, 8}) {
      auto plan = Planner(graph, configuration, limit, memory * part / 16).Run();
      if (plan) found.push_back(*std::move(plan));
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Plan> plans;
  for (auto& [cycles, plan] : found) {
    const bool known = std::find(plans.begin(), plans.end(), plan) != plans.end();
    if (plans.size() < kMaxPlans && !known) plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace msq::fpga
