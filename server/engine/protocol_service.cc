#include "server/engine/protocol_service.h"

#include <utility>

#include "base/status.h"
#include "server/models/load_parameters.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

absl::Status ShuttingDown() {
  return WithReason(Unavailable("GRPC server is shutting down and has stopped accepting new requests."), kShuttingDown);
}

absl::Status NoCuda() {
  return Unimplemented("CUDA shared memory is not supported: this server computes on CPUs and FPGAs");
}

template <typename ConfigTensor>
void DescribeTensor(const ConfigTensor& tensor, bool batching,
                    inference::ModelMetadataResponse::TensorMetadata* metadata) {
  metadata->set_name(tensor.name());
  metadata->set_datatype(std::string(DatatypeName(static_cast<Datatype>(tensor.data_type()))));
  if (batching) metadata->add_shape(-1);
  metadata->mutable_shape()->MergeFrom(tensor.dims());
}

// KServe's clients have the model's name in the field in which Triton's have the repository's.
template <typename Request>
const std::string& ModelNameOf(const Request& request) {
  return request.model_name().empty() ? request.repository_name() : request.model_name();
}

}  // namespace

ProtocolService::ProtocolService(const Parts& parts, Options options) : parts_(parts), options_(std::move(options)) {}

bool ProtocolService::Ready() const {
  return !draining_ && (!options_.strict_readiness || parts_.repository->AllReady());
}

absl::StatusOr<std::string> ProtocolService::Identify(const Caller& caller, Right right, std::string_view model) const {
  return parts_.tokens->Authorize(caller.authorization, {right, model});
}

absl::Status ProtocolService::Authorize(const Caller& caller, Right right, std::string_view model) const {
  return Identify(caller, right, model).status();
}

bool ProtocolService::MayRead(const Caller& caller, std::string_view model) const {
  return Authorize(caller, Right::kRead, model).ok();
}

// Health is told to everybody: probes have no token.
absl::Status ProtocolService::ServerLive(const Caller&, const inference::ServerLiveRequest&,
                                         inference::ServerLiveResponse* response) {
  if (refusing_) return ShuttingDown();
  response->set_live(true);
  return absl::OkStatus();
}

absl::Status ProtocolService::ServerReady(const Caller&, const inference::ServerReadyRequest&,
                                          inference::ServerReadyResponse* response) {
  if (refusing_) return ShuttingDown();
  response->set_ready(Ready());
  return absl::OkStatus();
}

absl::Status ProtocolService::ServerMetadata(const Caller& caller, const inference::ServerMetadataRequest&,
                                             inference::ServerMetadataResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, ""));
  response->set_name(options_.server_name);
  response->set_version(options_.server_version);
  for (const char* extension : {"classification", "sequence", "model_repository", "model_repository(unload_dependents)",
                                "schedule_policy", "model_configuration", "system_shared_memory", "binary_tensor_data",
                                "parameters", "statistics", "trace", "logging"}) {
    response->add_extensions(extension);
  }
  return absl::OkStatus();
}

// A model that is unknown or broken is simply not ready: clients poll this.
absl::Status ProtocolService::ModelReady(const Caller& caller, const inference::ModelReadyRequest& request,
                                         inference::ModelReadyResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, request.name()));
  const auto model = parts_.repository->Find(request.name(), request.version());
  if (absl::IsInvalidArgument(model.status())) return model.status();
  response->set_ready(model.ok() && (*model)->ready() && !draining_);
  return absl::OkStatus();
}

absl::Status ProtocolService::ModelMetadata(const Caller& caller, const inference::ModelMetadataRequest& request,
                                            inference::ModelMetadataResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, request.name()));
  MSQ_ASSIGN_OR_RETURN(const auto model, parts_.repository->Find(request.name(), request.version()));
  const inference::ModelConfig& config = model->description().config;
  response->set_name(config.name());
  response->set_platform(config.platform());
  for (std::string& version : parts_.repository->ReadyVersions(config.name())) {
    response->add_versions(std::move(version));
  }
  const bool batching = config.max_batch_size() > 0;
  for (const auto& input : config.input()) DescribeTensor(input, batching, response->add_inputs());
  for (const auto& output : config.output()) DescribeTensor(output, batching, response->add_outputs());
  return absl::OkStatus();
}

absl::Status ProtocolService::ModelConfig(const Caller& caller, const inference::ModelConfigRequest& request,
                                          inference::ModelConfigResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, request.name()));
  MSQ_ASSIGN_OR_RETURN(const auto model, parts_.repository->Find(request.name(), request.version()));
  *response->mutable_config() = model->description().config;
  return absl::OkStatus();
}

absl::Status ProtocolService::ModelStatistics(const Caller& caller, const inference::ModelStatisticsRequest& request,
                                              inference::ModelStatisticsResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, request.name()));
  std::vector<std::shared_ptr<const ServedModel>> models = parts_.repository->ReadyModels(request.name());
  if (!request.name().empty() && (models.empty() || !request.version().empty())) {
    MSQ_ASSIGN_OR_RETURN(auto model, parts_.repository->Find(request.name(), request.version()));
    models.assign(1, std::move(model));
  }
  for (const auto& model : models) {
    if (!MayRead(caller, model->name())) continue;
    inference::ModelStatistics* stats = response->add_model_stats();
    stats->set_name(model->name());
    stats->set_version(model->version());
    model->statistics().Fill(stats);
  }
  return absl::OkStatus();
}

absl::Status ProtocolService::RepositoryIndex(const Caller& caller, const inference::RepositoryIndexRequest& request,
                                              inference::RepositoryIndexResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, ""));
  for (ModelRepository::Entry& entry : parts_.repository->Index()) {
    if (request.ready() && entry.state != ModelRepository::State::kReady) continue;
    if (!MayRead(caller, entry.name)) continue;
    inference::RepositoryIndexResponse::ModelIndex* model = response->add_models();
    model->set_state(StateName(entry.state));
    model->set_name(std::move(entry.name));
    model->set_version(std::move(entry.version));
    model->set_reason(std::move(entry.reason));
  }
  return absl::OkStatus();
}

absl::Status ProtocolService::SystemSharedMemoryStatus(const Caller& caller,
                                                       const inference::SystemSharedMemoryStatusRequest& request,
                                                       inference::SystemSharedMemoryStatusResponse* response) {
  MSQ_ASSIGN_OR_RETURN(const std::string owner, Identify(caller, Right::kRead, ""));
  MSQ_ASSIGN_OR_RETURN(const std::vector<SharedMemoryRegion> regions, parts_.regions->Status(owner, request.name()));
  for (const SharedMemoryRegion& region : regions) {
    auto& status = (*response->mutable_regions())[region.name];
    status.set_name(region.name);
    status.set_key(region.key);
    status.set_offset(region.offset);
    status.set_byte_size(region.byte_size);
  }
  return absl::OkStatus();
}

absl::Status ProtocolService::SystemSharedMemoryRegister(const Caller& caller,
                                                         const inference::SystemSharedMemoryRegisterRequest& request,
                                                         inference::SystemSharedMemoryRegisterResponse*) {
  MSQ_ASSIGN_OR_RETURN(const std::string owner, Identify(caller, Right::kAdmin, ""));
  return parts_.regions->Register(owner, {request.name(), request.key(), request.offset(), request.byte_size()});
}

absl::Status ProtocolService::SystemSharedMemoryUnregister(
    const Caller& caller, const inference::SystemSharedMemoryUnregisterRequest& request,
    inference::SystemSharedMemoryUnregisterResponse*) {
  MSQ_ASSIGN_OR_RETURN(const std::string owner, Identify(caller, Right::kAdmin, ""));
  if (request.name().empty()) {
    parts_.regions->UnregisterAll(owner);
  } else {
    parts_.regions->Unregister(owner, request.name());
  }
  return absl::OkStatus();
}

// Clients ask for the status and unregister what they never registered when they start: there is none of it, which is
// no error.
absl::Status ProtocolService::CudaSharedMemoryStatus(const Caller& caller,
                                                     const inference::CudaSharedMemoryStatusRequest& request,
                                                     inference::CudaSharedMemoryStatusResponse*) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kRead, ""));
  if (request.name().empty()) return absl::OkStatus();
  return NotFound("Unable to find cuda shared memory region: '", request.name(), "'");
}

absl::Status ProtocolService::CudaSharedMemoryRegister(const Caller& caller,
                                                       const inference::CudaSharedMemoryRegisterRequest&,
                                                       inference::CudaSharedMemoryRegisterResponse*) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, Right::kAdmin, ""));
  return NoCuda();
}

absl::Status ProtocolService::CudaSharedMemoryUnregister(const Caller& caller,
                                                         const inference::CudaSharedMemoryUnregisterRequest&,
                                                         inference::CudaSharedMemoryUnregisterResponse*) {
  return Authorize(caller, Right::kAdmin, "");
}

absl::Status ProtocolService::TraceSetting(const Caller& caller, const inference::TraceSettingRequest& request,
                                           inference::TraceSettingResponse* response) {
  const Right right = request.settings().empty() ? Right::kRead : Right::kAdmin;
  MSQ_RETURN_IF_ERROR(Authorize(caller, right, request.model_name()));
  if (!request.model_name().empty()) {
    MSQ_RETURN_IF_ERROR(parts_.repository->Find(request.model_name(), "").status());
  }
  TraceSettingMap changes;
  for (const auto& [key, setting] : request.settings()) {
    changes[key].assign(setting.value().begin(), setting.value().end());
  }
  if (!changes.empty()) MSQ_RETURN_IF_ERROR(parts_.tracer->Update(request.model_name(), changes));
  for (const auto& [key, values] : parts_.tracer->Get(request.model_name())) {
    (*response->mutable_settings())[key].mutable_value()->Assign(values.begin(), values.end());
  }
  return absl::OkStatus();
}

absl::Status ProtocolService::LogSettings(const Caller& caller, const inference::LogSettingsRequest& request,
                                          inference::LogSettingsResponse* response) {
  MSQ_RETURN_IF_ERROR(Authorize(caller, request.settings().empty() ? Right::kRead : Right::kAdmin, ""));
  return UpdateLogSettings(request, response);
}

void ProtocolService::RepositoryModelLoad(const Caller& caller, const inference::RepositoryModelLoadRequest& request,
                                          inference::RepositoryModelLoadResponse* response, Done done) {
  const std::string& name = ModelNameOf(request);
  if (refusing_) return done(ShuttingDown());
  if (absl::Status status = Authorize(caller, Right::kAdmin, name); !status.ok()) return done(status);
  auto parameters = ReadLoadParameters(request.parameters());
  if (!parameters.ok()) return done(WithContext(parameters.status(), "failed to load '", name, "'"));
  parts_.repository->Load(name, *std::move(parameters), [name, response, done = std::move(done)](const auto& status) {
    response->set_model_name(name);
    response->set_is_loaded(status.ok());
    done(status);
  });
}

void ProtocolService::RepositoryModelUnload(const Caller& caller,
                                            const inference::RepositoryModelUnloadRequest& request,
                                            inference::RepositoryModelUnloadResponse* response, Done done) {
  const std::string& name = ModelNameOf(request);
  if (refusing_) return done(ShuttingDown());
  if (absl::Status status = Authorize(caller, Right::kAdmin, name); !status.ok()) return done(status);
  parts_.repository->Unload(name, [name, response, done = std::move(done)](const auto& status) {
    response->set_model_name(name);
    response->set_is_unloaded(status.ok());
    done(status);
  });
}

RequestHandle ProtocolService::ModelInfer(const Caller& caller, InferenceCall call) {
  auto name = refusing_ ? ShuttingDown() : Identify(caller, Right::kInfer, call.request->model_name());
  if (!name.ok()) {
    call.done(name.status());
    return {};
  }
  call.caller = *std::move(name);
  return parts_.engine->Infer(std::move(call));
}

}  // namespace msq::server
