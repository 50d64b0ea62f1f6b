#include "backends/backend.h"

#include <algorithm>

#include "base/clock.h"
#include "base/status.h"
#include "model/numerics/requantize.h"

namespace msq {
namespace {

std::vector<TensorSpec> Specs(const ir::Graph& graph, const std::vector<ir::TensorId>& ids) {
  std::vector<TensorSpec> specs;
  for (ir::TensorId id : ids) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(id)];
    specs.push_back({tensor.name, tensor.type});
  }
  return specs;
}

const char* TypeName(ElementType type) {
  return type == ElementType::kCode ? "codes" : "accumulators";
}

ElementType TypeOf(const ir::TensorType& type) {
  return type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
}

// What inputs and outputs have in common: type, batch and size.
absl::Status CheckView(const TensorSpec& spec, ElementType type, int64_t batch, size_t size, int64_t expected_batch) {
  if (type != TypeOf(spec.type)) {
    return InvalidArgument("holds ", TypeName(type), ", expected ", TypeName(TypeOf(spec.type)));
  }
  if (batch < 1) return InvalidArgument("batch ", batch, " is not positive");
  if (batch != expected_batch)
    return InvalidArgument("batch ", batch, " differs from the first input's ", expected_batch);
  const auto sample_bytes = static_cast<size_t>(spec.type.ByteSize());
  if (size % sample_bytes != 0 || size / sample_bytes != static_cast<size_t>(batch)) {
    return InvalidArgument("has ", size, " bytes, expected batch ", batch, " * ", sample_bytes, " of shape ",
                           ir::ToString(spec.type.shape));
  }
  return absl::OkStatus();
}

absl::Status CheckCodes(const ir::TensorType& type, std::span<const std::byte> bytes) {
  if (type.bits == 8) return absl::OkStatus();  // every byte is a code
  const auto high = static_cast<std::byte>(numerics::MaxCode(type.bits));
  const auto bad = std::find_if(bytes.begin(), bytes.end(), [high](std::byte b) { return b > high; });
  if (bad == bytes.end()) return absl::OkStatus();
  return InvalidArgument("byte ", bad - bytes.begin(), " holds ", static_cast<int>(*bad), ", no ", type.bits,
                         "-bit code");
}

absl::Status CheckCount(const char* what, size_t count, size_t expected) {
  if (count == expected) return absl::OkStatus();
  return InvalidArgument("got ", count, " ", what, ", expected ", expected);
}

}  // namespace

Executable::Executable(const ir::Graph& graph)
    : inputs_(Specs(graph, graph.inputs)), outputs_(Specs(graph, graph.outputs)) {}

absl::Status Executable::Run(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                             RunContext& context) const {
  MSQ_RETURN_IF_ERROR(CheckCount("inputs", inputs.size(), inputs_.size()));
  MSQ_RETURN_IF_ERROR(CheckCount("outputs", outputs.size(), outputs_.size()));
  if (inputs.empty()) return InvalidArgument("the graph has no input");
  const int64_t batch = inputs[0].batch;
  for (size_t i = 0; i < inputs.size(); ++i) {
    absl::Status status = CheckView(inputs_[i], inputs[i].type, inputs[i].batch, inputs[i].bytes.size(), batch);
    if (status.ok()) status = CheckCodes(inputs_[i].type, inputs[i].bytes);
    if (!status.ok()) return WithContext(status, "input '", inputs_[i].name, "'");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorView& view = outputs[i];
    MSQ_RETURN_IF_ERROR(WithContext(CheckView(outputs_[i], view.type, view.batch, view.bytes.size(), batch), "output '",
                                    outputs_[i].name, "'"));
  }
  if (context.cancelled != nullptr && context.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("cancelled before the run");
  }
  if (Clock::Real().Now() >= context.deadline) return absl::DeadlineExceededError("deadline passed before the run");
  return DoRun(inputs, outputs, context);
}

}  // namespace msq
