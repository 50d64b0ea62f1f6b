#include "backends/cpu/planner.h"

#include <algorithm>
#include <string>

#include "backends/cpu/copy_steps.h"
#include "backends/cpu/gemm_step.h"
#include "backends/cpu/pointwise_step.h"
#include "backends/cpu/window_step.h"
#include "base/status.h"

namespace msq::cpu {
namespace {

using StepOr = absl::StatusOr<std::unique_ptr<Step>>;

// One overload an operator.
class StepMaker {
 public:
  StepMaker(const ir::Graph& graph, const ir::Node& node, const MemoryPlan& memory, const KernelTable& kernels)
      : graph_(graph), node_(node), memory_(memory), kernels_(kernels) {}

  StepOr operator()(const ir::Conv& op) const {
    WeightedOperands operands = Weighted();
    operands.geometry = {.in = ImageOf(In(0).shape), .out = ImageOf(Out().shape), .window = op.window};
    operands.groups = op.groups;
    const bool depthwise = op.groups > 1 && op.weights.rows == op.groups && In(0).shape[0] == op.groups;
    return depthwise ? MakeDepthwise(kernels_, operands, op.weights, op.epilogue)
                     : MakeGemm(kernels_, operands, op.weights, op.epilogue);
  }

  StepOr operator()(const ir::Dense& op) const {
    WeightedOperands operands = Weighted();
    operands.geometry.in.channels = op.weights.row_length;
    operands.geometry.out.channels = op.weights.rows;
    return MakeGemm(kernels_, operands, op.weights, op.epilogue);
  }

  StepOr operator()(const ir::Add& op) const { return Pointwise(op.requantizer); }
  StepOr operator()(const ir::Rescale& op) const { return Pointwise(op.requantizer); }

  StepOr operator()(const ir::MaxPool& op) const { return MakeMaxPool(kernels_, Pool(op.window)); }

  StepOr operator()(const ir::AveragePool& op) const {
    return MakeAveragePool(kernels_, Pool(op.window), op.count_include_pad, op.requantizer);
  }

  StepOr operator()(const ir::GlobalAveragePool& op) const {
    ir::Window window;
    window.kernel = {In(0).shape[1], In(0).shape[2]};
    return MakeAveragePool(kernels_, Pool(window), true, op.requantizer);
  }

  StepOr operator()(const ir::Concat& op) const {
    std::vector<CopyOperand> inputs;
    for (size_t i = 0; i < node_.inputs.size(); ++i) inputs.push_back(CopyInput(i));
    return MakeConcat(inputs, CopyOutput(), op.axis);
  }

  StepOr operator()(const ir::ResizeNearest& op) const { return MakeResizeNearest(op, CopyInput(0), CopyOutput()); }
  StepOr operator()(const ir::Reshape&) const { return MakeReshape(CopyInput(0), CopyOutput()); }
  StepOr operator()(const ir::Pad& op) const { return MakePad(op, CopyInput(0), CopyOutput(), ZeroPoint()); }
  StepOr operator()(const ir::Slice& op) const { return MakeSlice(op, CopyInput(0), CopyOutput()); }

  StepOr operator()(const ir::Recurrent&) const { return Unimplemented("the cpu backend does not run Recurrent"); }

 private:
  const ir::TensorType& Type(ir::TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }
  const ir::TensorType& In(size_t i) const { return Type(node_.inputs[i]); }
  const ir::TensorType& Out() const { return Type(node_.output); }
  Buffer BufferOf(ir::TensorId id) const { return memory_.buffers[static_cast<size_t>(id)]; }
  Buffer Skip() const { return node_.inputs.size() > 1 ? BufferOf(node_.inputs[1]) : Buffer(); }
  uint8_t ZeroPoint() const { return static_cast<uint8_t>(In(0).zero_point); }

  WeightedOperands Weighted() const {
    WeightedOperands operands;
    operands.input = BufferOf(node_.inputs[0]);
    operands.input_bits = In(0).bits;
    operands.zero_point = ZeroPoint();
    operands.skip = Skip();
    operands.output = BufferOf(node_.output);
    operands.output_bits = Out().bits;
    return operands;
  }

  StepOr Pointwise(const ir::Requantizer& requantizer) const {
    return MakePointwise(kernels_,
                         {.shape = In(0).shape,
                          .input = BufferOf(node_.inputs[0]),
                          .skip = Skip(),
                          .output = BufferOf(node_.output),
                          .output_bits = Out().bits},
                         requantizer);
  }

  PoolOperands Pool(const ir::Window& window) const {
    return {.geometry = {.in = ImageOf(In(0).shape), .out = ImageOf(Out().shape), .window = window},
            .input = BufferOf(node_.inputs[0]),
            .zero_point = ZeroPoint(),
            .output = BufferOf(node_.output),
            .output_bits = Out().bits};
  }

  CopyOperand CopyInput(size_t i) const { return {BufferOf(node_.inputs[i]), In(i).shape}; }
  CopyOperand CopyOutput() const { return {BufferOf(node_.output), Out().shape}; }

  const ir::Graph& graph_;
  const ir::Node& node_;
  const MemoryPlan& memory_;
  const KernelTable& kernels_;
};

}  // namespace

absl::StatusOr<Plan> MakePlan(const ir::Graph& graph, const KernelTable& kernels) {
  Plan plan;
  plan.memory = PlanMemory(graph);
  for (const ir::Node& node : graph.nodes) {
    StepOr step = std::visit(StepMaker(graph, node, plan.memory, kernels), node.op);
    if (!step.ok()) return WithContext(step.status(), "node '", node.name, "'");
    plan.scratch_bytes = std::max(plan.scratch_bytes, (*step)->scratch_bytes());
    plan.steps.push_back(*std::move(step));
  }
  plan.scratch_bytes = RoundUp(plan.scratch_bytes + kReadSlack, kReadSlack);
  return plan;
}

}  // namespace msq::cpu
