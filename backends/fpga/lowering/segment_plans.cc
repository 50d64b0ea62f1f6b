// Chooses segments: what they cost is estimated, the cheapest way through the network is found by dynamic programming.
#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "backends/fpga/lowering/pixel_tiles.h"
#include "backends/fpga/lowering/segments.h"

namespace msq::fpga {
namespace {

constexpr size_t kMaxNodes = 6;            // of a segment in strips
constexpr double kDramEfficiency = 0.95;   // words of a port a cycle
constexpr double kInstructionCycles = 64;  // from one CONV to the next: the pipeline runs empty
constexpr size_t kMaxPlans = 6;

// What a segment takes.
struct Load {
  double conv = 0, port = 0, store = 0;  // cycles of the array, the busiest read port, the write port
  int64_t words = 0;                     // of the activation memory
};

class Planner {
 public:
  // Tensors of more than `limit` words are spilled; `memory` words may be taken.
  Planner(const ir::Graph& graph, const hw::Configuration& configuration, int64_t limit, int64_t memory)
      : graph_(graph), configuration_(configuration), memory_(memory), uses_(UsesOf(graph)) {
    for (size_t id = 0; id < graph.tensors.size(); ++id) {
      const TensorUse& use = uses_[id];
      const bool image = graph.tensors[id].type.shape.size() == 3;
      words_.push_back(IsPacked(static_cast<ir::TensorId>(id)) ? 0 : WordsOf(static_cast<ir::TensorId>(id)));
      const bool read = use.last_reader >= 0;
      spilled_.push_back(image && words_.back() > limit && !use.input && read != use.output && use.born >= 0 &&
                         (read || MayRunInStrips(graph, graph.nodes[static_cast<size_t>(use.born)])));
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

  // An input that one convolution reads comes in strips of its own.
  bool IsPacked(ir::TensorId id) const {
    const TensorUse& use = uses_[static_cast<size_t>(id)];
    return use.input && use.born >= 0 && use.born == use.last_reader &&
           std::holds_alternative<ir::Conv>(graph_.nodes[static_cast<size_t>(use.born)].op);
  }
  // Such a convolution may do a pooling too, and its own output is never there.
  bool TakesPooling(size_t n) const {
    const ir::Node& node = graph_.nodes[n];
    const TensorUse& use = uses_[static_cast<size_t>(node.output)];
    return IsPacked(node.inputs[0]) && n + 1 < graph_.nodes.size() && !use.output &&
           use.last_reader == static_cast<int64_t>(n + 1) && graph_.nodes[n + 1].inputs[0] == node.output &&
           std::holds_alternative<ir::MaxPool>(graph_.nodes[n + 1].op);
  }
  bool InStrips(const ir::Node& node) const {
    return MayRunInStrips(graph_, node) && std::none_of(node.inputs.begin(), node.inputs.end(), [&](ir::TensorId id) {
             return uses_[static_cast<size_t>(id)].input;
           });
  }

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
      for (size_t other = segment.begin; other <= n; ++other) alone = alone && graph_.nodes[other].inputs[0] != skip;
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

  // Cycles and weights of `rows` rows of the output.
  void AddRows(const ir::Node& node, int64_t rows, Load* load) const {
    if (rows <= 0) return;
    const auto* conv = std::get_if<ir::Conv>(&node.op);
    if (conv == nullptr) {
      if (MayRunInStrips(graph_, node)) AddMoves(node, rows, load);
      return;
    }
    const int64_t lanes = configuration_.lanes(), channels = Type(node.inputs[0]).shape[0];
    const int64_t width = Type(node.output).shape[2], passes = Type(node.inputs[0]).bits / 4;
    const auto [kernel_h, kernel_w] = conv->window.kernel;
    ChannelwiseTile tile = {1, lanes, kernel_h * kernel_w * CeilDiv(channels, kWordChannels)};
    const bool depthwise = IsDepthwise(graph_, node) && lanes % kWordChannels == 0;
    if (depthwise) {
      const ChannelwiseShape shape = {conv->weights.rows, Type(node.inputs[0]).shape[2], rows, width, passes};
      tile = ChooseChannelwiseTile(conv->window, shape, configuration_);
    }
    const int64_t steps = tile.steps, tiles = CeilDiv(conv->weights.rows, tile.channels);
    const int64_t last_groups =
        CeilDiv((conv->weights.rows - (tiles - 1) * tile.channels) * tile.pixels, configuration_.q);
    const int64_t pixels = CeilDiv(rows * width / tile.pixels, configuration_.p);
    const int64_t drain = int64_t{configuration_.p} * lanes / configuration_.q;
    const int64_t cycles =
        (tiles - 1) * std::max(steps, drain) + std::max(steps, last_groups * int64_t{configuration_.p});
    const int64_t beats =
        depthwise ? ChannelwiseBeats(tile, configuration_) : (steps + 2) * lanes / configuration_.ports;
    const auto weights = static_cast<double>(tiles * beats);
    load->conv += std::max(static_cast<double>(passes * pixels * cycles), weights / kDramEfficiency);
    load->conv += kInstructionCycles;
    load->port += weights;
  }

  std::optional<double> CyclesAtOnce(const Segment& segment) const {
    Load load{.words = ResidentWords(segment)};
    for (size_t n = segment.begin; n < segment.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      AddRows(node, HeightOf(node.output), &load);
      // Spilled tensors are whole for a while, except between a convolution and its pooling.
      for (ir::TensorId id : node.inputs) {
        if (n > segment.begin || !IsSpilled(id)) continue;
        load.words += words_[static_cast<size_t>(id)];
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
      load.words += tensor.buffers * tensor.MaxRows() * RowWords(id, IsReadDepthwise(graph_, segment, id));
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
    for (const int64_t part : {16, 14, 12}) {
      auto plan = Planner(graph, configuration, limit, memory * part / 16).Run();
      if (plan) found.push_back(*std::move(plan));
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Plan> plans;
  for (auto& [cycles, plan] : found) {
    if (plans.size() < kMaxPlans && (plans.empty() || plan != plans.back())) plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace msq::fpga
