#include "backends/fpga/lowering/graph_lowering.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/lowering/node_lowering.h"
#include "backends/fpga/lowering/segment_lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr int64_t kMaxRowWords = 65535;  // of LOAD and STORE

// Calls emit(first word, words) for pieces that LOAD and STORE can take.
template <typename Emit>
absl::Status ForEachPiece(int64_t words, Emit emit) {
  for (int64_t first = 0; first < words; first += kMaxRowWords) {
    MSQ_RETURN_IF_ERROR(emit(first, std::min(kMaxRowWords, words - first)));
  }
  return absl::OkStatus();
}

// With less there at a time, what did not fit into the memory or into a field may fit.
bool MayFitOtherwise(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted || status.code() == absl::StatusCode::kUnimplemented;
}

}  // namespace

ImageShape::ImageShape(const ir::Shape& shape) : channels(shape[0]), height(1), width(1) {
  if (shape.size() > 2) height = shape[1];
  for (size_t i = shape.size() > 2 ? 2 : 1; i < shape.size(); ++i) width *= shape[i];
}

GraphLowering::GraphLowering(const ir::Graph& graph, const hw::Configuration& configuration, Plan plan)
    : graph_(graph),
      plan_(std::move(plan)),
      order_(graph, configuration),
      builder_(configuration),
      memory_(int64_t{configuration.banks} * configuration.depth),
      placed_(graph.tensors.size()),
      readers_(graph.tensors.size()),
      pending_input_(graph.tensors.size()),
      in_strips_(graph.nodes.size()),
      done_(graph.nodes.size()) {
  for (const Segment& segment : plan_.segments) {
    for (size_t i = segment.begin; i < segment.end; ++i) in_strips_[i] = segment.strips > 0;
  }
  for (const ir::Tensor& tensor : graph.tensors) {
    expected_groups_.push_back(CeilDiv(RoundUp(tensor.type.shape[0], configuration.q), kWordChannels));
  }
  for (const ir::Node& node : graph.nodes) {
    int64_t groups = 0;
    for (ir::TensorId id : node.inputs) {
      ++readers_[static_cast<size_t>(id)];
      groups += expected_groups_[static_cast<size_t>(id)];
    }
    const auto* concat = std::get_if<ir::Concat>(&node.op);
    if (concat != nullptr && concat->axis == 0) expected_groups_[static_cast<size_t>(node.output)] = groups;
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    pending_input_[static_cast<size_t>(graph.inputs[i])] = i;
    inputs_.push_back({.id = graph.inputs[i]});
  }
  for (ir::TensorId id : graph.outputs) outputs_.push_back({.id = id});
}

absl::StatusOr<Program> GraphLowering::Run() {
  std::vector<Segment> segments = plan_.segments;
  if (segments.empty()) segments = {{0, graph_.nodes.size(), 0}};
  for (const Segment& segment : segments) {
    if (segment.strips == 0) {
      MSQ_RETURN_IF_ERROR(RunAtOnce(segment));
    } else {
      MSQ_RETURN_IF_ERROR(RunInStrips(segment));
    }
  }
  // Inputs that no node reads may be outputs; the others have a place in DRAM all the same.
  for (ir::TensorId id : graph_.inputs) {
    if (pending_input_[static_cast<size_t>(id)] && IsSpilled(id)) {
      PlanInput(id);
    } else if (pending_input_[static_cast<size_t>(id)]) {
      auto placed = Get(id);
      if (!placed.ok())
        return WithContext(placed.status(), "input '", graph_.tensors[static_cast<size_t>(id)].name, "'");
    }
  }
  MSQ_ASSIGN_OR_RETURN(DramPlan plan, builder_.Finish());
  Program program{.configuration = configuration()};
  program.image = std::move(plan.image);
  program.instructions = plan.instructions;
  program.dram_bytes = plan.bytes;
  for (HostTensor& input : inputs_) input.dram += plan.inputs;
  for (HostTensor& output : outputs_) output.dram += plan.outputs;
  program.inputs = std::move(inputs_);
  program.outputs = std::move(outputs_);
  program.layers = std::move(layers_);
  return program;
}

absl::Status GraphLowering::RunAtOnce(const Segment& segment) {
  for (size_t i = segment.begin; i < segment.end; ++i) {
    if (done_[i]) continue;
    const ir::Node& node = graph_.nodes[i];
    const int64_t convs = builder_.convs(), vecs = builder_.vecs();
    MSQ_RETURN_IF_ERROR(WithContext(NodeLowering(node, this).Lower(), "node '", node.name, "'"));
    CountInstructions(convs, vecs);
    MSQ_RETURN_IF_ERROR(WithContext(FinishNode(node), "node '", node.name, "'"));
  }
  return absl::OkStatus();
}

absl::Status GraphLowering::RunInStrips(const Segment& segment) {
  const int64_t convs = builder_.convs(), vecs = builder_.vecs();
  const std::string& first = graph_.nodes[segment.begin].name;
  MSQ_RETURN_IF_ERROR(WithContext(LowerInStrips(graph_, segment, this), "strips from node '", first, "' on"));
  CountInstructions(convs, vecs);
  for (size_t i = segment.begin; i < segment.end; ++i) {
    MSQ_RETURN_IF_ERROR(WithContext(FinishNode(graph_.nodes[i]), "node '", graph_.nodes[i].name, "'"));
  }
  return absl::OkStatus();
}

void GraphLowering::CountInstructions(int64_t convs_before, int64_t vecs_before) {
  if (layers_.empty()) return;
  layers_.back().convs += builder_.convs() - convs_before;
  layers_.back().vecs += builder_.vecs() - vecs_before;
}

absl::Status GraphLowering::FinishNode(const ir::Node& node) {
  done_[static_cast<size_t>(&node - graph_.nodes.data())] = true;
  concats_.erase(&node);
  std::optional<Placed>& placed = placed_[static_cast<size_t>(node.output)];
  if (!IsSpilled(node.output)) {
    MSQ_RETURN_IF_ERROR(StoreOutput(node.output));
  } else if (placed) {
    PlanSpill(node.output, placed->layout);
    MSQ_RETURN_IF_ERROR(StoreRows(node.output, *placed));
    placed.reset();
  }
  if (readers_[static_cast<size_t>(node.output)] == 0) placed_[static_cast<size_t>(node.output)].reset();
  for (ir::TensorId id : node.inputs) {
    if (--readers_[static_cast<size_t>(id)] == 0) placed_[static_cast<size_t>(id)].reset();
  }
  return absl::OkStatus();
}

absl::StatusOr<Placed> GraphLowering::Get(ir::TensorId id) {
  const auto i = static_cast<size_t>(id);
  if (pending_input_[i] && !IsSpilled(id)) {
    const size_t index = *std::exchange(pending_input_[i], std::nullopt);
    MSQ_RETURN_IF_ERROR(LoadInput(index, id));
    MSQ_RETURN_IF_ERROR(StoreOutput(id));
  }
  if (placed_[i]) return *placed_[i];
  MSQ_ASSIGN_OR_RETURN(Placed placed, Take(SpilledLayout(id)));
  MSQ_RETURN_IF_ERROR(LoadRows(id, placed));
  return placed;
}

void GraphLowering::PlanSpill(ir::TensorId id, ImageLayout layout) {
  const int64_t bytes = layout.words() * kWordBytes;
  Spilled& spilled = spilled_[id];
  spilled.layout = std::move(layout);
  spilled.section = IsOutput(id) ? Section::kOutputs : Section::kSpilled;
  spilled.dram = builder_.Reserve(spilled.section, bytes);
  for (HostTensor& output : outputs_) {
    if (output.id != id) continue;
    output.layout = spilled.layout;
    output.dram = spilled.dram;
  }
}

void GraphLowering::PlanInput(ir::TensorId id) {
  HostTensor& input = inputs_[*std::exchange(pending_input_[static_cast<size_t>(id)], std::nullopt)];
  const ImageShape shape(Type(id).shape);
  input.layout = MakeLayout(Type(id), shape, order_.Choose(id, shape.channels));
  input.dram = builder_.Reserve(Section::kInputs, input.bytes());
  spilled_[id] = {input.layout, input.dram, Section::kInputs};
}

const ImageLayout& GraphLowering::SpilledLayout(ir::TensorId id) {
  if (pending_input_[static_cast<size_t>(id)]) PlanInput(id);
  return spilled_.at(id).layout;
}

bool GraphLowering::RenameSpilled(ir::TensorId id, ir::TensorId as) {
  if (!IsSpilled(id) || !IsSpilled(as) || IsOutput(as)) return false;
  const ImageShape shape(Type(as).shape);
  ImageLayout layout = SpilledLayout(id);
  layout.height = shape.height;
  layout.width = shape.width;
  spilled_[as] = spilled_.at(id);
  spilled_[as].layout = std::move(layout);
  return true;
}

absl::Status GraphLowering::LoadRows(ir::TensorId id, const Placed& rows) {
  return MoveRows<hw::LoadFields>(spilled_.at(id), rows,
                                  [this](const auto&... load) { return builder_.Load(load...); });
}

absl::Status GraphLowering::StoreRows(ir::TensorId id, const Placed& rows) {
  return MoveRows<hw::StoreFields>(spilled_.at(id), rows,
                                   [this](const auto&... store) { return builder_.Store(store...); });
}

template <typename Fields, typename Emit>
absl::Status GraphLowering::MoveRows(const Spilled& spilled, const Placed& rows, Emit emit) {
  const int64_t group = rows.layout.group_words();
  const int64_t top = rows.first_row * spilled.layout.width * spilled.layout.pixel_words();
  return ForEachPiece(group, [&](int64_t first, int64_t words) {
    const Fields fields = {.dram = spilled.dram + (top + first) * kWordBytes,
                           .dram_row_stride = spilled.layout.group_words() * kWordBytes,
                           .rows = rows.layout.planes() * rows.layout.plane_groups,
                           .row_words = words,
                           .act = builder_.Address(rows.base + first),
                           .act_step = builder_.Address(1),
                           .act_row_step = builder_.Address(group - words + 1)};
    const std::vector<Range> dram = {spilled.Words(rows)}, act = {{rows.base, rows.base + rows.layout.words()}};
    const bool load = std::is_same_v<Fields, hw::LoadFields>;
    return emit(fields, load ? Access{dram, act} : Access{act, dram}, spilled.section);
  });
}

Range GraphLowering::Spilled::Words(const Placed& rows) const {
  // Tensors of different sections are apart.
  const int64_t section_begin = kSpilledWords * (1 + static_cast<int64_t>(section));
  const int64_t begin = section_begin + dram / kWordBytes + rows.first_row * layout.width * layout.pixel_words();
  return {begin, begin + rows.layout.group_words()};
}

bool GraphLowering::MayOverwrite(const ir::Node& node, const ImageLayout& layout) {
  const ir::TensorId id = node.inputs[1];
  if (id == node.inputs[0]) return false;
  const std::optional<Placed>& skip = placed_[static_cast<size_t>(id)];
  const auto fits = [&layout](const ImageLayout& from) {
    return !layout.raw && layout.bits == from.bits && layout.plane_groups == from.plane_groups &&
           layout.height == from.height && layout.width == from.width;
  };
  if (!skip) return IsSpilled(id) && fits(SpilledLayout(id));  // into a copy of what is in DRAM
  const ir::Node* reader = OnlyReader(node.output);
  if (reader != nullptr && std::holds_alternative<ir::Concat>(reader->op)) return false;  // it has a place there
  const auto owners = std::count_if(placed_.begin(), placed_.end(), [&](const std::optional<Placed>& placed) {
    return placed && placed->region == skip->region;
  });
  return readers_[static_cast<size_t>(id)] == 1 && owners == 1 && fits(skip->layout);
}

absl::StatusOr<Placed> GraphLowering::Take(ImageLayout layout) {
  std::shared_ptr<Region> region = memory_.Take(layout.words());
  if (region == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no room for ", layout.words(), " words beside ", memory_.taken(),
                                                     " of ", memory_.words(), " in the activation memory"));
  }
  const int64_t base = region->begin();
  return Placed{std::move(layout), base, 0, std::move(region)};
}

absl::StatusOr<Placed> GraphLowering::TakeOutput(ir::TensorId id, ImageLayout layout) {
  const ir::Node* reader = OnlyReader(id);
  const ir::Concat* concat = reader == nullptr ? nullptr : std::get_if<ir::Concat>(&reader->op);
  if (concat == nullptr || concat->axis != 0 || IsSpilled(id) || IsSpilled(reader->output) || IsInStrips(*reader)) {
    return Take(std::move(layout));
  }
  const auto plan = PlanConcat(*reader);
  const auto operand = std::find(reader->inputs.begin(), reader->inputs.end(), id) - reader->inputs.begin();
  const auto i = static_cast<size_t>(operand);
  // Without room for all operands now there may be room when the node comes.
  if (!plan.ok() || layout.plane_groups != plan->groups[i]) return Take(std::move(layout));
  layout.plane_groups = plan->out.layout.plane_groups;
  const int64_t base = plan->out.base + plan->first[i] * layout.group_words();
  return Placed{std::move(layout), base, 0, plan->out.region};
}

absl::StatusOr<GraphLowering::ConcatPlan> GraphLowering::PlanConcat(const ir::Node& node) {
  if (const auto found = concats_.find(&node); found != concats_.end()) return found->second;
  ConcatPlan plan;
  const ImageShape shape(Type(node.output).shape);
  ImageLayout layout{.channels = shape.channels, .height = shape.height, .width = shape.width};
  layout.bits = Type(node.output).bits;
  for (ir::TensorId id : node.inputs) {
    plan.first.push_back(layout.plane_groups);
    plan.groups.push_back(expected_groups_[static_cast<size_t>(id)]);
    layout.plane_groups += plan.groups.back();
  }
  MSQ_ASSIGN_OR_RETURN(plan.out, TakeOutput(node.output, std::move(layout)));
  concats_[&node] = plan;
  return plan;
}

ImageLayout GraphLowering::MakeLayout(const ir::TensorType& type, const ImageShape& shape,
                                      std::vector<int64_t> slots) const {
  ImageLayout layout{.channels = shape.channels, .height = shape.height, .width = shape.width};
  layout.raw = type.kind == ir::TensorType::Kind::kAccumulator;
  if (!layout.raw) layout.bits = type.bits;
  layout.slots = std::move(slots);
  // CONV writes Q channels at once.
  layout.plane_groups = CeilDiv(RoundUp(layout.slot_end(), configuration().q), kWordChannels);
  return layout;
}

bool GraphLowering::IsOutput(ir::TensorId id) const {
  return std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
}

bool GraphLowering::IsUnseenInput(ir::TensorId id) const {
  return pending_input_[static_cast<size_t>(id)].has_value() && readers_[static_cast<size_t>(id)] == 1 && !IsOutput(id);
}

void GraphLowering::RenameInput(ir::TensorId id, ir::TensorId as) {
  pending_input_[static_cast<size_t>(as)] = std::exchange(pending_input_[static_cast<size_t>(id)], std::nullopt);
}

const HostTensor* GraphLowering::PackInput(ir::TensorId id, const TapPacking& taps, ImageLayout layout) {
  HostTensor& input = inputs_[*std::exchange(pending_input_[static_cast<size_t>(id)], std::nullopt)];
  input.layout = std::move(layout);
  input.taps = taps;
  input.dram = builder_.Reserve(Section::kInputs, input.bytes());
  return &input;
}

const ir::Node* GraphLowering::OnlyReader(ir::TensorId id) const {
  if (readers_[static_cast<size_t>(id)] != 1 || IsOutput(id)) return nullptr;
  for (const ir::Node& node : graph_.nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end()) return &node;
  }
  return nullptr;
}

const ir::Node* GraphLowering::PoolingToTakeOver(ir::TensorId id) const {
  const ir::Node* reader = OnlyReader(id);
  if (reader == nullptr || IsInStrips(*reader)) return nullptr;
  return std::holds_alternative<ir::MaxPool>(reader->op) ? reader : nullptr;
}

absl::Status GraphLowering::LoadInput(size_t index, ir::TensorId id) {
  HostTensor& input = inputs_[index];
  const ImageShape shape(Type(id).shape);
  input.layout = MakeLayout(Type(id), shape, order_.Choose(id, shape.channels));
  input.dram = builder_.Reserve(Section::kInputs, input.bytes());
  MSQ_ASSIGN_OR_RETURN(Placed placed, Take(input.layout));
  const int64_t base = placed.base;
  Put(id, std::move(placed));
  return ForEachPiece(input.layout.words(), [&](int64_t first, int64_t words) {
    const hw::LoadFields load = {.dram = input.dram + first * kWordBytes,
                                 .rows = 1,
                                 .row_words = words,
                                 .act = builder_.Address(base + first),
                                 .act_step = builder_.Address(1)};
    return builder_.Load(load, {{}, {{base + first, base + first + words}}});
  });
}

absl::Status GraphLowering::StoreOutput(ir::TensorId id) {
  if (!IsOutput(id)) return absl::OkStatus();
  MSQ_ASSIGN_OR_RETURN(const Placed placed, Get(id));
  for (HostTensor& output : outputs_) {
    // Asking for a graph input that is an output has stored it.
    if (output.id != id || output.layout.words() > 0) continue;
    output.layout = placed.layout;
    output.dram = builder_.Reserve(Section::kOutputs, output.bytes());
    MSQ_RETURN_IF_ERROR(ForEachPiece(output.layout.words(), [&](int64_t first, int64_t words) {
      const hw::StoreFields store = {.dram = output.dram + first * kWordBytes,
                                     .rows = 1,
                                     .row_words = words,
                                     .act = builder_.Address(placed.base + first),
                                     .act_step = builder_.Address(1)};
      return builder_.Store(store, {{{placed.base + first, placed.base + first + words}}, {}});
    }));
  }
  return absl::OkStatus();
}

absl::StatusOr<Program> Lower(const ir::Graph& graph, const hw::Configuration& configuration) {
  absl::StatusOr<Program> program = GraphLowering(graph, configuration, {}).Run();
  if (!MayFitOtherwise(program.status())) return program;
  for (Plan& plan : MakePlans(graph, configuration)) {
    // Whatever keeps a plan from being carried out, another may do; but for what no plan changes.
    absl::StatusOr<Program> planned = GraphLowering(graph, configuration, std::move(plan)).Run();
    if (planned.ok()) return planned;
    if (absl::IsUnimplemented(planned.status()) && planned.status() == program.status()) break;
  }
  if (!absl::IsResourceExhausted(program.status())) return program;
  return absl::ResourceExhaustedError(
      absl::StrCat(program.status().message(), ", nor for a part of its rows at a time"));
}

}  // namespace msq::fpga
