#include "server/protocol/response_encoder.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "base/status.h"

namespace msq::server {
namespace {

void AppendUint32(uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(value >> shift));
}

// For each sample the `k` largest values as "value:index[:label]", largest first, the lower index first among equals.
std::string ClassStrings(std::span<const float> values, int64_t samples, int64_t k,
                         std::span<const std::string> labels) {
  const auto classes = static_cast<int64_t>(values.size()) / samples;
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::string result;
  for (int64_t item = 0; item < samples; ++item) {
    const float* sample = values.data() + item * classes;
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + k, order.end(), [sample](int64_t a, int64_t b) {
      return sample[a] != sample[b] ? sample[a] > sample[b] : a < b;
    });
    for (int64_t rank = 0; rank < k; ++rank) {
      const int64_t index = order[static_cast<size_t>(rank)];
      std::string text = std::to_string(sample[index]) + ":" + std::to_string(index);
      if (index < static_cast<int64_t>(labels.size())) text += ":" + labels[static_cast<size_t>(index)];
      AppendUint32(static_cast<uint32_t>(text.size()), &result);
      result += text;
    }
  }
  return result;
}

}  // namespace

void BeginResponse(const InferenceRequest& request) {
  request.response->set_model_name(request.description->name());
  request.response->set_model_version(request.description->version);
  request.response->set_id(request.message->id());
}

absl::StatusOr<std::span<std::byte>> AddOutput(const InferenceRequest& request, const RequestedOutput& wanted,
                                               Datatype datatype, std::span<const int64_t> shape, size_t bytes) {
  const std::string& name = request.description->outputs[wanted.index].name;
  inference::ModelInferResponse::InferOutputTensor* tensor = request.response->add_outputs();
  tensor->set_name(name);
  tensor->set_datatype(std::string(DatatypeName(datatype)));
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
  std::string* raw = request.response->add_raw_output_contents();  // stays empty for an output in shared memory
  if (!wanted.region) {
    raw->resize(bytes);
    return std::as_writable_bytes(std::span(*raw));
  }
  const OutputRegion& region = *wanted.region;
  if (region.span.bytes.size() < bytes) {
    return InvalidArgument("shared memory size specified with the request for output '", name, "' (",
                           region.span.bytes.size(), " bytes) should be at least ", bytes,
                           " bytes to hold the results");
  }
  auto& parameters = *tensor->mutable_parameters();
  parameters["shared_memory_region"].set_string_param(region.name);
  parameters["shared_memory_byte_size"].set_int64_param(static_cast<int64_t>(bytes));
  if (region.offset != 0) parameters["shared_memory_offset"].set_int64_param(region.offset);
  return region.span.bytes.first(bytes);
}

absl::Status AddClasses(const InferenceRequest& request, const RequestedOutput& wanted,
                        std::span<const std::byte> values) {
  std::vector<float> floats(values.size() / sizeof(float));
  std::memcpy(floats.data(), values.data(), floats.size() * sizeof(float));
  const OutputDescription& output = request.description->outputs[wanted.index];
  const std::string text = ClassStrings(floats, request.samples, wanted.classes, output.labels);
  Dims shape;
  if (request.description->max_batch_size() > 0) shape.push_back(request.samples);
  shape.push_back(wanted.classes);
  MSQ_ASSIGN_OR_RETURN(const std::span<std::byte> room,
                       AddOutput(request, wanted, Datatype::kBytes, shape, text.size()));
  std::memcpy(room.data(), text.data(), text.size());
  return absl::OkStatus();
}

absl::Status CheckRegions(const InferenceRequest& request) {
  for (const RequestInput& input : request.inputs) {
    if (input.region) MSQ_RETURN_IF_ERROR(input.region->Check());
  }
  for (const RequestedOutput& output : request.outputs) {
    if (output.region) MSQ_RETURN_IF_ERROR(output.region->span.Check());
  }
  return absl::OkStatus();
}

}  // namespace msq::server
