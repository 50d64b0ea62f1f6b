#include "server/models/msq_instance.h"

#include <algorithm>

#include "base/clock.h"
#include "base/status.h"
#include "server/protocol/response_encoder.h"

namespace msq::server {
namespace {

ElementType ElementTypeOf(const ir::TensorType& type) {
  return type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
}

void Stamp(std::span<const RequestPtr> batch, absl::Time RequestTimes::*station) {
  const absl::Time now = Clock::Real().Now();
  for (const RequestPtr& request : batch) request->times.*station = now;
}

// The first samples * type.ByteSize() bytes of a buffer that only grows.
std::span<std::byte> Room(AlignedBuffer* buffer, const ir::TensorType& type, int64_t samples) {
  const size_t bytes = AllocationSize(samples * type.ByteSize());
  if (buffer->size() < bytes) *buffer = AlignedBuffer(bytes);
  return {buffer->as<std::byte>(), bytes};
}

void Encode(const InputCodec& codec, const RequestInput& input, std::span<uint8_t> codes) {
  if (input.datatype == Datatype::kUint8) return codec.EncodeUint8(input.bytes, codes);
  codec.EncodeFloat(input.bytes, input.normalized, codes);
}

void LoadState(const InferenceRequest& request, const MsqModel::InputPort& port, std::span<uint8_t> codes) {
  if (request.state == nullptr || request.state->tensors.empty()) {
    std::fill(codes.begin(), codes.end(), static_cast<uint8_t>(port.type.zero_point));  // real zero
  } else {
    std::copy_n(request.state->tensors[port.index].as<uint8_t>(), codes.size(), codes.data());
  }
}

}  // namespace

MsqInstance::MsqInstance(const MsqModel& model, const Executable& executable)
    : model_(model), executable_(executable), codes_(model.inputs().size()), integers_(model.outputs().size()) {}

absl::Status MsqInstance::Execute(std::span<const RequestPtr> batch) {
  last_run_ = {};
  int64_t samples = 0;
  for (const RequestPtr& request : batch) samples += request->samples;
  inputs_.clear();
  outputs_.clear();
  for (size_t i = 0; i < codes_.size(); ++i) inputs_.push_back(Gather(i, batch, samples));
  for (size_t i = 0; i < integers_.size(); ++i) {
    const ir::TensorType& type = model_.outputs()[i];
    outputs_.push_back({ElementTypeOf(type), samples, Room(&integers_[i], type, samples)});
  }
  Stamp(batch, &RequestTimes::gathered);
  // A batch goes on for as long as one of its requests is wanted.
  RunContext context;
  context.deadline = absl::InfinitePast();
  for (const RequestPtr& request : batch) context.deadline = std::max(context.deadline, request->deadline);
  if (batch.size() == 1) context.cancelled = &batch.front()->cancelled;
  const absl::Status status = executable_.Run(inputs_, outputs_, context);
  last_run_ = context.statistics;
  MSQ_RETURN_IF_ERROR(status);
  Stamp(batch, &RequestTimes::computed);
  int64_t first = 0;
  for (const RequestPtr& request : batch) {
    request->failure = Scatter(*request, first);
    first += request->samples;
  }
  Stamp(batch, &RequestTimes::encoded);
  return absl::OkStatus();
}

ConstTensorView MsqInstance::Gather(size_t input, std::span<const RequestPtr> batch, int64_t samples) {
  const MsqModel::InputPort& port = model_.inputs()[input];
  const std::span<std::byte> room = Room(&codes_[input], port.type, samples);
  auto* codes = reinterpret_cast<uint8_t*>(room.data());
  for (const RequestPtr& request : batch) {
    const std::span<uint8_t> part(codes, static_cast<size_t>(request->samples * port.type.ByteSize()));
    if (port.codec) {
      Encode(*port.codec, request->inputs[port.index], part);
    } else {
      LoadState(*request, port, part);
    }
    codes += part.size();
  }
  return {ElementType::kCode, samples, room};
}

// The request's samples are those from number `first`.
absl::Status MsqInstance::Scatter(InferenceRequest& request, int64_t first) {
  if (request.state != nullptr) {
    request.state->tensors.resize(model_.state_outputs().size());
    for (const MsqModel::StateOutput& kept : model_.state_outputs()) {
      const std::span<const std::byte> part = Part(kept.output, first, request.samples);
      AlignedBuffer& state = request.state->tensors[kept.state];
      if (state.size() != part.size()) state = AlignedBuffer(part.size());
      std::copy(part.begin(), part.end(), state.as<std::byte>());
    }
  }
  BeginResponse(request);
  for (const RequestedOutput& wanted : request.outputs) {
    const size_t output = model_.graph_output(wanted.index);
    MSQ_RETURN_IF_ERROR(AddValues(request, wanted, model_.outputs()[output], Part(output, first, request.samples)));
  }
  return CheckRegions(request);
}

std::span<const std::byte> MsqInstance::Part(size_t output, int64_t first, int64_t samples) const {
  const int64_t sample_bytes = model_.outputs()[output].ByteSize();
  return {integers_[output].as<std::byte>() + first * sample_bytes, static_cast<size_t>(samples * sample_bytes)};
}

absl::Status MsqInstance::AddValues(const InferenceRequest& request, const RequestedOutput& wanted,
                                    const ir::TensorType& type, std::span<const std::byte> integers) {
  const auto bytes = static_cast<size_t>(request.samples * ir::ElementCount(type.shape)) * sizeof(float);
  if (wanted.classes > 0) {
    if (values_.size() < bytes) values_ = AlignedBuffer(bytes);
    const std::span<std::byte> values(values_.as<std::byte>(), bytes);
    DecodeToFloat(type, integers, request.samples, values);
    return AddClasses(request, wanted, values);
  }
  shape_.clear();
  if (model_.description().max_batch_size() > 0) shape_.push_back(request.samples);
  shape_.insert(shape_.end(), type.shape.begin(), type.shape.end());
  MSQ_ASSIGN_OR_RETURN(const std::span<std::byte> room, AddOutput(request, wanted, Datatype::kFp32, shape_, bytes));
  DecodeToFloat(type, integers, request.samples, room);
  return absl::OkStatus();
}

}  // namespace msq::server
