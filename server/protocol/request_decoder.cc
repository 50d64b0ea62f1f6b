#include "server/protocol/request_decoder.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "server/protocol/request_parameters.h"
#include "server/protocol/tensor_contents.h"

namespace msq::server {
namespace {

using inference::InferParameter;
using inference::ModelInferRequest;
using InputTensor = ModelInferRequest::InferInputTensor;
using WantedOutput = ModelInferRequest::InferRequestedOutputTensor;
using Parameters = google::protobuf::Map<std::string, InferParameter>;

// Of one class beside its label: length, value (47 digits for the largest float), index, two colons.
constexpr int64_t kClassBytes = 72;

std::string ShapeText(const Dims& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

// Elements of a sample, or -1 when a length is left to the request. Descriptions come from verified models, whose
// products fit.
int64_t Elements(const Dims& dims) {
  int64_t elements = 1;
  for (int64_t length : dims) {
    if (length < 0) return -1;
    elements *= length;
  }
  return elements;
}

absl::Status CheckDatatype(const ModelDescription& model, const InputDescription& input, const InputTensor& tensor,
                           RequestInput* result) {
  const std::optional<Datatype> datatype = ParseDatatype(tensor.datatype());
  if (datatype && std::find(input.datatypes.begin(), input.datatypes.end(), *datatype) != input.datatypes.end()) {
    result->datatype = *datatype;
    return absl::OkStatus();
  }
  std::string others;
  for (size_t i = 1; i < input.datatypes.size(); ++i) {
    absl::StrAppend(&others, i == 1 ? " (or '" : ", '", std::string(DatatypeName(input.datatypes[i])), "'");
  }
  return InvalidArgument("inference input '", input.name, "' data-type is '", tensor.datatype(), "', but model '",
                         model.name(), "' expects '", std::string(DatatypeName(input.datatypes[0])), "'", others,
                         others.empty() ? "" : ")");
}

absl::Status CheckShape(const ModelDescription& model, const InputDescription& input, const InputTensor& tensor,
                        Dims* shape) {
  const bool batching = model.max_batch_size() > 0;
  shape->assign(tensor.shape().begin(), tensor.shape().end());
  Dims expected = input.dims;
  if (batching) expected.insert(expected.begin(), -1);
  const bool fits = std::equal(shape->begin(), shape->end(), expected.begin(), expected.end(),
                               [](int64_t got, int64_t want) { return want < 0 ? got >= 0 : got == want; }) &&
                    (!batching || shape->front() >= 1);
  if (!fits) {
    return InvalidArgument("unexpected shape for input '", input.name, "' for model '", model.name(), "'. Expected ",
                           ShapeText(expected), ", got ", ShapeText(*shape), ".");
  }
  if (batching && shape->front() > model.max_batch_size()) {
    return InvalidArgument("inference request batch-size must be <= ", model.max_batch_size(), " for '", model.name(),
                           "', got ", shape->front());
  }
  return absl::OkStatus();
}

// The content of a BYTES tensor: as many elements as the shape says, each behind its length.
bool HoldsElements(std::string_view bytes, int64_t elements) {
  for (; elements > 0 && bytes.size() >= 4; --elements) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    if (bytes.size() - 4 < length) return false;
    bytes.remove_prefix(4 + size_t{length});
  }
  return elements == 0 && bytes.empty();
}

absl::Status CheckSize(const ModelDescription& model, const InputDescription& input, const RequestInput& got) {
  int64_t elements = 1;
  for (int64_t length : got.shape) {
    if (__builtin_mul_overflow(elements, length, &elements)) {
      return InvalidArgument("the shape ", ShapeText(got.shape), " of input '", input.name, "' has too many elements");
    }
  }
  if (got.datatype == Datatype::kBytes) {
    if (HoldsElements(got.bytes, elements)) return absl::OkStatus();
    return InvalidArgument("input '", input.name, "' for model '", model.name(), "' does not hold ", elements,
                           " elements of the data-type BYTES, each behind its length of 4 bytes");
  }
  const int64_t element_bytes = ElementBytes(got.datatype);
  const auto size = static_cast<int64_t>(got.bytes.size());
  if (size % element_bytes == 0 && size / element_bytes == elements) return absl::OkStatus();
  const absl::int128 expected = absl::int128(elements) * element_bytes;
  return InvalidArgument("input byte size mismatch for input '", input.name, "' for model '", model.name(),
                         "'. Expected ", static_cast<int64_t>(expected), ", got ", size);
}

struct RegionParameters {
  std::string name;
  int64_t offset = 0;
  int64_t byte_size = 0;
};

// Whether a tensor lies in shared memory, and where.
absl::StatusOr<std::optional<RegionParameters>> ReadRegion(const std::string& tensor, const Parameters& parameters) {
  const auto find = [&](const char* key) {
    const auto it = parameters.find(key);
    return it == parameters.end() ? nullptr : &it->second;
  };
  const InferParameter* name = find("shared_memory_region");
  if (name == nullptr) return std::nullopt;
  const InferParameter* byte_size = find("shared_memory_byte_size");
  const InferParameter* offset = find("shared_memory_offset");
  if (!name->has_string_param()) {
    return InvalidArgument("parameter 'shared_memory_region' of '", tensor, "' must be a string");
  }
  if (byte_size == nullptr || !byte_size->has_int64_param() || byte_size->int64_param() < 0) {
    return InvalidArgument("parameter 'shared_memory_byte_size' of '", tensor, "' must be an int64 >= 0");
  }
  if (offset != nullptr && (!offset->has_int64_param() || offset->int64_param() < 0)) {
    return InvalidArgument("parameter 'shared_memory_offset' of '", tensor, "' must be an int64 >= 0");
  }
  return RegionParameters{name->string_param(), offset == nullptr ? 0 : offset->int64_param(),
                          byte_size->int64_param()};
}

// Decodes one request; each step fills its part of it.
class Decoder {
 public:
  Decoder(const SharedMemoryRegistry& regions, InferenceRequest* request)
      : regions_(regions), message_(*request->message), model_(*request->description), request_(request) {}

  // Pairs the message's tensors with the model's inputs, in the model's order.
  absl::Status Inputs() {
    const auto& inputs = model_.inputs;
    if (static_cast<size_t>(message_.inputs_size()) != inputs.size()) {
      return InvalidArgument("expected ", inputs.size(), " inputs but got ", message_.inputs_size(),
                             " inputs for model '", model_.name(), "'");
    }
    request_->inputs.assign(inputs.size(), {});
    std::vector<const InputTensor*> seen(inputs.size());
    for (const InputTensor& tensor : message_.inputs()) {
      const auto found =
          std::find_if(inputs.begin(), inputs.end(), [&](const auto& in) { return in.name == tensor.name(); });
      if (found == inputs.end()) {
        return InvalidArgument("unexpected inference input '", tensor.name(), "' for model '", model_.name(), "'");
      }
      const auto index = static_cast<size_t>(found - inputs.begin());
      if (seen[index] != nullptr) return InvalidArgument("input '", tensor.name(), "' already exists in request");
      seen[index] = &tensor;
      MSQ_RETURN_IF_ERROR(Input(*found, tensor, &request_->inputs[index]));
    }
    if (next_raw_ != message_.raw_input_contents_size()) {
      return InvalidArgument("raw_input_contents has ", message_.raw_input_contents_size(), " entries, and ", next_raw_,
                             " inputs of model '", model_.name(), "' take one");
    }
    if (model_.max_batch_size() == 0) return absl::OkStatus();
    request_->samples = request_->inputs.empty() ? 1 : request_->inputs[0].shape[0];
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (request_->inputs[i].shape[0] != request_->samples) {
        return InvalidArgument("input '", inputs[i].name, "' batch size does not match other inputs for '",
                               model_.name(), "'");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Outputs() {
    for (const WantedOutput& wanted : message_.outputs()) {
      RequestedOutput output;
      MSQ_RETURN_IF_ERROR(Output(wanted, &output));
      for (const RequestedOutput& other : request_->outputs) {
        if (other.index == output.index) return InvalidArgument("output '", wanted.name(), "' is requested twice");
      }
      request_->outputs.push_back(std::move(output));
    }
    for (size_t i = 0; message_.outputs().empty() && i < model_.outputs.size(); ++i) {
      request_->outputs.push_back({i, 0, std::nullopt});
    }
    return absl::OkStatus();
  }

  // No less than the answer takes, and what every output needs while it is computed.
  int64_t ResponseBytes() const {
    int64_t bytes = 0;
    for (const OutputDescription& output : model_.outputs) {
      bytes += std::max<int64_t>(0, ElementBytes(output.datatype) * request_->samples * Elements(output.dims));
    }
    for (const RequestedOutput& one : request_->outputs) {
      const int64_t class_bytes = kClassBytes + static_cast<int64_t>(model_.outputs[one.index].longest_label);
      bytes += request_->samples * one.classes * class_bytes;
    }
    return bytes;
  }

 private:
  absl::Status Input(const InputDescription& input, const InputTensor& tensor, RequestInput* result) {
    MSQ_RETURN_IF_ERROR(CheckDatatype(model_, input, tensor, result));
    MSQ_RETURN_IF_ERROR(CheckShape(model_, input, tensor, &result->shape));
    if (const auto it = tensor.parameters().find("normalized"); it != tensor.parameters().end()) {
      if (!it->second.has_bool_param()) {
        return InvalidArgument("parameter 'normalized' of '", input.name, "' must be a bool");
      }
      result->normalized = it->second.bool_param();
    }
    MSQ_RETURN_IF_ERROR(Data(input, tensor, result));
    return CheckSize(model_, input, *result);
  }

  // Finds the input's bytes. raw_input_contents has an entry for each input that is not in shared memory.
  absl::Status Data(const InputDescription& input, const InputTensor& tensor, RequestInput* result) {
    MSQ_ASSIGN_OR_RETURN(const auto region, ReadRegion(input.name, tensor.parameters()));
    if (region) {
      if (tensor.has_contents()) {
        return InvalidArgument("unexpected 'content' provided when using shared memory for input '", input.name,
                               "' for model '", model_.name(), "'");
      }
      MSQ_ASSIGN_OR_RETURN(result->region, Find(*region));
      const std::span<std::byte> bytes = result->region->bytes;
      result->bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
      return absl::OkStatus();
    }
    if (message_.raw_input_contents_size() > 0) {
      if (tensor.has_contents()) {
        return InvalidArgument("contents field must not be specified when using raw_input_contents for '", input.name,
                               "' for model '", model_.name(), "'");
      }
      if (next_raw_ == message_.raw_input_contents_size()) return NoData(input);
      result->bytes = message_.raw_input_contents(next_raw_++);
      return absl::OkStatus();
    }
    auto bytes = TypedContents(tensor.contents(), result->datatype, &result->storage);
    if (!bytes.ok()) return WithContext(bytes.status(), "input '", input.name, "'");
    result->bytes = *bytes;
    const bool expects_none = std::find(result->shape.begin(), result->shape.end(), 0) != result->shape.end();
    return result->bytes.empty() && !expects_none ? NoData(input) : absl::OkStatus();
  }

  absl::Status NoData(const InputDescription& input) const {
    return InvalidArgument("unable to find data for input tensor '", input.name, "' for model '", model_.name(),
                           "' in request");
  }

  absl::Status Output(const WantedOutput& wanted, RequestedOutput* result) const {
    const auto& outputs = model_.outputs;
    const auto found =
        std::find_if(outputs.begin(), outputs.end(), [&](const auto& o) { return o.name == wanted.name(); });
    if (found == outputs.end()) {
      return InvalidArgument("unexpected inference output '", wanted.name(), "' for model '", model_.name(), "'");
    }
    result->index = static_cast<size_t>(found - outputs.begin());
    MSQ_ASSIGN_OR_RETURN(const auto region, ReadRegion(wanted.name(), wanted.parameters()));
    if (region) {
      MSQ_ASSIGN_OR_RETURN(SharedMemorySpan span, Find(*region));
      result->region = OutputRegion{region->name, region->offset, std::move(span)};
    }
    const auto it = wanted.parameters().find("classification");
    if (it == wanted.parameters().end()) return absl::OkStatus();
    if (!it->second.has_int64_param() || it->second.int64_param() <= 0) {
      return InvalidArgument("parameter 'classification' of output '", wanted.name(), "' must be an int64 > 0");
    }
    if (found->datatype != Datatype::kFp32 || Elements(found->dims) < 0) {
      return InvalidArgument("parameter 'classification': output '", wanted.name(), "' of model '", model_.name(),
                             "' is no FP32 vector of classes");
    }
    if (region) {
      return InvalidArgument("parameter 'classification': output '", wanted.name(),
                             "' cannot be placed in shared memory as classes");
    }
    result->classes = std::min(it->second.int64_param(), Elements(found->dims));
    return absl::OkStatus();
  }

  absl::StatusOr<SharedMemorySpan> Find(const RegionParameters& region) const {
    return regions_.Find(request_->caller, region.name, static_cast<uint64_t>(region.offset),
                         static_cast<uint64_t>(region.byte_size));
  }

  const SharedMemoryRegistry& regions_;
  const ModelInferRequest& message_;
  const ModelDescription& model_;
  InferenceRequest* const request_;
  int next_raw_ = 0;
};

absl::Status Decode(const SharedMemoryRegistry& regions, int64_t max_response_bytes, InferenceRequest* request) {
  MSQ_RETURN_IF_ERROR(ReadParameters(request));
  Decoder decoder(regions, request);
  MSQ_RETURN_IF_ERROR(decoder.Inputs());
  MSQ_RETURN_IF_ERROR(decoder.Outputs());
  const int64_t response_bytes = decoder.ResponseBytes();
  if (response_bytes <= max_response_bytes) return absl::OkStatus();
  return InvalidArgument("the answer to batch ", request->samples, " has ", response_bytes, " bytes, the limit is ",
                         max_response_bytes);
}

}  // namespace

absl::Status DecodeRequest(const SharedMemoryRegistry& regions, int64_t max_response_bytes, InferenceRequest* request) {
  const absl::Status status = Decode(regions, max_response_bytes, request);
  if (status.ok()) return status;
  const std::string& id = request->message->id();
  return {status.code(), absl::StrCat("[request id: ", id.empty() ? "<id_unknown>" : id, "] ", status.message())};
}

}  // namespace msq::server
