// Chooses segments: what they cost is estimated, the cheapest way through the network is found by dynamic programming.
#include <algorithm>
#include <limits>
#include <map>
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
constexpr double kInstructionCycles = 64;  // from one CONV to the next: the pipeline runs empty
constexpr size_t kMaxPlans = 12;
constexpr int64_t kMaxHeight = 4095;  // of the fields: rows of an image that is there as a whole

// What a segment takes.
struct Load {
  double conv = 0, port = 0, store = 0;  // cycles of the array, the busiest read port, the write port
  int64_t words = 0;                     // of the activation memory

  double Cycles() const { return std::max({conv, port / kDramEfficiency, store / kDramEfficiency}); }
};

class Planner {
 public:
  Planner(const ir::Graph& graph, const hw::Configuration& configuration)
      : graph_(graph), configuration_(configuration), uses_(UsesOf(graph)), of_rows_(graph.nodes.size()) {
    for (size_t i = 0; i < graph.tensors.size(); ++i) {
      const auto id = static_cast<ir::TensorId>(i);
      packed_.push_back(MayBePacked(id));
      words_.push_back(packed_[i] ? 0 : WordsOf(id));
    }
  }

  // What a limit may be compared with.
  std::set<int64_t> Sizes() const { return {words_.begin(), words_.end()}; }

  // From here on images of more than `limit` words are spilled.
  void SetLimit(int64_t limit) {
    spilled_.clear();
    for (size_t i = 0; i < graph_.tensors.size(); ++i) {
      const TensorUse& use = uses_[i];
      const bool image = graph_.tensors[i].type.shape.size() == 3;
      const bool large = words_[i] > limit || HeightOf(static_cast<ir::TensorId>(i)) > kMaxHeight;
      spilled_.push_back(image && large && !packed_[i] && !(use.input && use.output));
    }
    FindResidents();
    in_strips_.assign(graph_.nodes.size(), {});
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const size_t end = std::min(graph_.nodes.size(), i + kMaxNodes);
      for (size_t j = i; j < end && InStrips(graph_.nodes[j]); ++j) AddSegments(i, j + 1);
    }
  }

  // The cheapest plan that takes up to `memory` words, and its cycles.
  std::optional<std::pair<double, Plan>> Run(int64_t memory) const {
    const size_t count = graph_.nodes.size();
    constexpr double kNever = std::numeric_limits<double>::infinity();
    std::vector<double> best(count + 1, kNever);  // from node i to the end
    std::vector<Segment> choice(count);
    best[count] = 0;
    const auto offer = [&](const Segment& segment, const std::optional<Load>& load) {
      if (!load || load->words > memory || load->Cycles() + best[segment.end] >= best[segment.begin]) return;
      best[segment.begin] = load->Cycles() + best[segment.end];
      choice[segment.begin] = segment;
    };
    for (size_t i = count; i-- > 0;) {
      const Segment at_once = {i, i + (TakesPooling(i) ? 2 : 1), 0};
      offer(at_once, LoadAtOnce(at_once, memory));
      for (const auto& [segment, load] : in_strips_[i]) offer(segment, load);
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
  bool IsPacked(ir::TensorId id) const { return packed_[static_cast<size_t>(id)]; }
  bool MayBePacked(ir::TensorId id) const {
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

  // By node: words of the tensors that are there as a whole before it and are read by it or later; and the tensors that
  // are there from it on.
  void FindResidents() {
    const size_t count = graph_.nodes.size();
    resident_.assign(count + 1, 0);
    born_.assign(count, {});
    for (size_t id = 0; id < uses_.size(); ++id) {
      const TensorUse& use = uses_[id];
      if (use.born < 0 || spilled_[id]) continue;
      born_[static_cast<size_t>(use.born)].push_back(id);
      if (use.last_reader <= use.born) continue;
      resident_[static_cast<size_t>(use.born) + 1] += words_[id];
      resident_[static_cast<size_t>(use.last_reader) + 1] -= words_[id];
    }
    for (size_t n = 1; n <= count; ++n) resident_[n] += resident_[n - 1];
  }

  // Words of all tensors that are there as a whole at some time of the segment.
  int64_t ResidentWords(const Segment& segment) const {
    int64_t words = resident_[segment.begin];
    for (size_t n = segment.begin; n < segment.end; ++n) {
      for (const size_t id : born_[n]) {
        const TensorUse& use = uses_[id];
        const bool ends = use.last_reader >= 0 && use.last_reader < static_cast<int64_t>(segment.end);
        if (!ends || use.input || use.output) words += words_[id];
      }
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

  // Cycles and weights of `rows` rows of the output of node n.
  void AddRows(size_t n, int64_t rows, Load* load) {
    if (rows <= 0) return;
    auto found = of_rows_[n].find(rows);
    if (found == of_rows_[n].end()) found = of_rows_[n].emplace(rows, RowsLoad(graph_.nodes[n], rows)).first;
    load->conv += found->second.conv;
    load->port += found->second.port;
  }

  Load RowsLoad(const ir::Node& node, int64_t rows) const {
    Load load;
    if (MayRunInStrips(graph_, node)) AddRowsTo(node, rows, &load);
    return load;
  }

  void AddRowsTo(const ir::Node& node, int64_t rows, Load* load) const {
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

  std::optional<Load> LoadAtOnce(const Segment& segment, int64_t memory) const {
    Load load{.words = ResidentWords(segment)};
    const ir::Node& first = graph_.nodes[segment.begin];
    if (!first.inputs.empty() && IsPacked(first.inputs[0])) load.words += FirstLayerWords(segment);
    for (size_t n = segment.begin; n < segment.end; ++n) {
      const ir::Node& node = graph_.nodes[n];
      if (IsRenamed(node)) continue;
      if (IsTooHigh(node)) return std::nullopt;
      const Load rows = RowsLoad(node, HeightOf(node.output));
      load.conv += rows.conv;
      load.port += rows.port;
      // Spilled tensors are whole for a while, except between a convolution and its pooling.
      for (ir::TensorId id : node.inputs) {
        if (n > segment.begin || !IsSpilled(id)) continue;
        // What is reshaped lies in the same words as before.
        if (!std::holds_alternative<ir::Reshape>(node.op)) load.words += words_[static_cast<size_t>(id)];
        load.conv += static_cast<double>(words_[static_cast<size_t>(id)]);
      }
      if (n + 1 == segment.end && IsSpilled(node.output)) {
        const int64_t whole = words_[static_cast<size_t>(node.output)];
        const bool fits = load.words + whole <= memory || !IsPacked(graph_.nodes[segment.begin].inputs[0]);
        load.words += fits ? whole : 2 * RowWords(node.output);
        load.store += static_cast<double>(words_[static_cast<size_t>(node.output)]);
      }
    }
    return load;
  }

  // All numbers of strips that are worth a look.
  void AddSegments(size_t begin, size_t end) {
    const int64_t resident = ResidentWords({begin, end, 0});
    if (resident > int64_t{configuration_.banks} * configuration_.depth) return;
    const int64_t height = HeightOf(graph_.nodes[end - 1].output);
    for (int64_t strips = 1; strips <= height; strips += std::max<int64_t>(1, strips / 4)) {
      const Segment segment = {begin, end, strips};
      in_strips_[begin].emplace_back(segment, LoadInStrips(segment, resident));
    }
  }

  Load LoadInStrips(const Segment& segment, int64_t resident) {
    Load load{.words = resident};
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
      for (const RowRange& range : tensors.at(node.output).rows) AddRows(n, range.count(), &load);
    }
    load.port += loads;
    // The first strip's loading and the last one's storing run beside other segments, but not always.
    load.conv += (loads + load.store) / (2 * static_cast<double>(segment.strips));
    return load;
  }

  const ir::Graph& graph_;
  const hw::Configuration configuration_;
  const std::vector<TensorUse> uses_;
  std::vector<bool> packed_;                      // by tensor
  std::vector<int64_t> words_;                    // by tensor, of those that are not packed
  std::vector<std::map<int64_t, Load>> of_rows_;  // by node and rows
  // Of the present limit.
  std::vector<bool> spilled_;
  std::vector<int64_t> resident_;
  std::vector<std::vector<size_t>> born_;
  std::vector<std::vector<std::pair<Segment, Load>>> in_strips_;  // by first node
};

// At most kMaxLimits of the sizes that fit into the memory, spread evenly; and 0, with which everything is spilled.
std::set<int64_t> ChooseLimits(const std::set<int64_t>& sizes, int64_t memory) {
  constexpr size_t kMaxLimits = 16;
  const std::vector<int64_t> fitting(sizes.begin(), sizes.upper_bound(memory));
  std::set<int64_t> limits = {0};
  const size_t count = std::min(kMaxLimits, fitting.size());
  for (size_t i = 1; i <= count; ++i) limits.insert(fitting[i * fitting.size() / count - 1]);
  return limits;
}

}  // namespace

std::vector<Plan> MakePlans(const ir::Graph& graph, const hw::Configuration& configuration) {
  const int64_t memory = int64_t{configuration.banks} * configuration.depth;
  std::vector<std::pair<double, Plan>> found;
  Planner planner(graph, configuration);
  for (const int64_t limit : ChooseLimits(planner.Sizes(), memory)) {
    planner.SetLimit(limit);
    // Gaps between tensors may be too small for what comes next: less memory leaves more room for them.
    for (const int64_t part : {16, 14, 12, 10, 8}) {
      auto plan = planner.Run(memory * part / 16);
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
