#include "server/models/warm_up.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <random>

#include "base/log.h"
#include "base/status.h"
#include "server/protocol/request_decoder.h"

namespace msq::server {
namespace {

constexpr int64_t kMaxInputBytes = int64_t{1} << 30;
constexpr uint32_t kMaxCount = 1 << 16;
constexpr int64_t kLengthBytes = 4;  // before each element of a BYTES tensor

template <typename T>
void FillUniform(std::mt19937_64* random, std::string* bytes) {
  std::uniform_real_distribution<T> uniform(0, 1);
  for (size_t at = 0; at + sizeof(T) <= bytes->size(); at += sizeof(T)) {
    const T value = uniform(*random);
    std::memcpy(bytes->data() + at, &value, sizeof(T));
  }
}

// The same values at every call. Floats are small and finite, strings are empty.
std::string RandomBytes(Datatype datatype, size_t size) {
  std::mt19937_64 random(1);
  std::string bytes(size, '\0');
  switch (datatype) {
    case Datatype::kBytes:
      return bytes;
    case Datatype::kFp32:
      FillUniform<float>(&random, &bytes);
      return bytes;
    case Datatype::kFp64:
      FillUniform<double>(&random, &bytes);
      return bytes;
    default:
      break;
  }
  for (char& byte : bytes) byte = static_cast<char>(random());
  if (datatype == Datatype::kBool) {
    for (char& byte : bytes) byte &= 1;
  }
  if (datatype == Datatype::kFp16 || datatype == Datatype::kBf16) {
    for (size_t i = 1; i < size; i += 2) bytes[i] &= 0x3b;  // of the exponent, so that it stays below that of 1
  }
  return bytes;
}

absl::StatusOr<std::string> ReadData(const std::string& folder, const std::string& name, size_t size, bool exact) {
  if (name.empty() || name[0] == '.' || name.find('/') != name.npos || name.find('\0') != name.npos) {
    return InvalidArgument("input_data_file '", name, "' is no name of a file in the model's folder 'warmup'");
  }
  const std::string path = absl::StrCat(folder, "/warmup/", name);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return NotFound(path, ": is no file");
  const uintmax_t file_size = std::filesystem::file_size(path, error);
  if (error || (exact ? file_size != size : file_size > size)) {
    return InvalidArgument(path, ": has ", file_size, " bytes, the input has ", exact ? "" : "at most ", size);
  }
  std::string bytes(file_size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return DataLoss(path, ": cannot be read");
  return bytes;
}

// Appends one input to the request.
absl::Status AddInput(const std::string& folder, const std::string& name, const inference::ModelWarmup::Input& data,
                      int64_t batch, inference::ModelInferRequest* request) {
  auto* input = request->add_inputs();
  input->set_name(name);
  if (data.data_type() == inference::TYPE_INVALID || !inference::DataType_IsValid(data.data_type())) {
    return InvalidArgument("data_type is missing or unknown");
  }
  const auto datatype = static_cast<Datatype>(data.data_type());
  input->set_datatype(std::string(DatatypeName(datatype)));
  if (batch > 0) input->add_shape(batch);
  input->mutable_shape()->MergeFrom(data.dims());
  const bool strings = datatype == Datatype::kBytes;
  int64_t size = strings ? kLengthBytes : ElementBytes(datatype);
  for (int64_t length : input->shape()) {
    if (length < 0 || (length > 0 && size > kMaxInputBytes / length)) {
      return InvalidArgument("dims: a length is negative, or the input has more than ", kMaxInputBytes, " bytes");
    }
    size *= length;
  }
  const auto bytes = static_cast<size_t>(size);
  std::string& raw = *request->add_raw_input_contents();
  switch (data.input_data_type_case()) {
    case inference::ModelWarmup::Input::kInputDataFile: {
      const size_t limit = strings ? static_cast<size_t>(kMaxInputBytes) : bytes;
      MSQ_ASSIGN_OR_RETURN(raw, ReadData(folder, data.input_data_file(), limit, !strings));
      break;
    }
    case inference::ModelWarmup::Input::kRandomData:
      raw = RandomBytes(datatype, bytes);
      break;
    case inference::ModelWarmup::Input::kZeroData:
      raw.assign(bytes, '\0');
      break;
    default:
      return InvalidArgument("one of zero_data, random_data and input_data_file is needed");
  }
  return absl::OkStatus();
}

absl::StatusOr<inference::ModelInferRequest> MakeMessage(const ServedModel& model, const std::string& folder,
                                                         const inference::ModelWarmup& entry) {
  const bool batching = model.description().max_batch_size() > 0;
  if (!batching && entry.batch_size() > 1) return InvalidArgument("batch_size: the model takes no batches");
  if (entry.count() > kMaxCount) return InvalidArgument("count: ", entry.count(), " is more than ", kMaxCount);
  inference::ModelInferRequest request;
  request.set_model_name(model.name());
  request.set_model_version(model.version());
  if (model.description().config.has_sequence_batching()) {
    auto& parameters = *request.mutable_parameters();
    parameters["sequence_id"].set_int64_param(1);
    parameters["sequence_start"].set_bool_param(true);
    parameters["sequence_end"].set_bool_param(true);
  }
  const int64_t batch = batching ? std::max<int64_t>(1, entry.batch_size()) : 0;
  for (const auto& [name, data] : entry.inputs()) {
    MSQ_RETURN_IF_ERROR(WithContext(AddInput(folder, name, data, batch, &request), "input '", name, "'"));
  }
  return request;
}

absl::Status Run(const ServedModel& model, const inference::ModelInferRequest& message, const std::string& backend) {
  const SharedMemoryRegistry no_regions({});
  inference::ModelInferResponse response;
  std::promise<absl::Status> answer;
  auto request = std::make_shared<InferenceRequest>();
  request->message = &message;
  request->response = &response;
  request->description = &model.description();
  request->warm_up = true;
  request->done = [&answer](const absl::Status& status) { answer.set_value(status); };
  MSQ_RETURN_IF_ERROR(DecodeRequest(no_regions, std::numeric_limits<int64_t>::max(), request.get()));
  request->backend = backend;
  MSQ_RETURN_IF_ERROR(model.Submit(request));
  return answer.get_future().get();
}

}  // namespace

absl::Status WarmUp(const ServedModel& model, const std::string& folder, const std::atomic<bool>& stop) {
  const auto& entries = model.description().config.model_warmup();
  for (int i = 0; i < entries.size(); ++i) {
    const std::string entry = absl::StrCat("model_warmup[", i, "] '", entries[i].name(), "'");
    const auto message = MakeMessage(model, folder, entries[i]);
    if (!message.ok()) return WithContext(message.status(), entry);
    for (const std::string& backend : model.backends()) {
      if (!model.ready(backend) && model.ready()) {
        LogWarning("model '", model.name(), "': ", entry, " is not sent to ", backend, ", which is out of service");
        continue;
      }
      for (uint32_t count = std::max(1u, entries[i].count()); count > 0; --count) {
        if (stop) return Unavailable(entry, ": the server is shutting down");
        MSQ_RETURN_IF_ERROR(WithContext(Run(model, *message, backend), entry, " on ", backend));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace msq::server
