#include "server/rpc/grpc_service.h"

#include <utility>

#include "absl/time/time.h"
#include "base/status.h"
#include "server/protocol/reason.h"
#include "server/rpc/status_to_grpc.h"

namespace msq::server {
namespace {

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  if (const std::string reason = Reason(status); !reason.empty()) context->AddTrailingMetadata(kReasonMetadata, reason);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

absl::Status ShuttingDown() {
  return WithReason(Unavailable("GRPC server is shutting down and has stopped accepting new requests."), kShuttingDown);
}

// One ModelInfer under way: owns the cancellation flag that the engine looks at, and itself.
class InferReactor final : public grpc::ServerUnaryReactor {
 public:
  InferReactor(grpc::CallbackServerContext* context, const inference::ModelInferRequest* request,
               inference::ModelInferResponse* response, InferenceEngine* engine) {
    InferenceCall call;
    call.request = request;
    call.response = response;
    call.deadline = absl::FromChrono(context->deadline());
    call.cancelled = &cancelled_;
    call.done = [this, context](const absl::Status& status) {
      if (const std::string reason = Reason(status); !reason.empty()) {
        context->AddTrailingMetadata(kReasonMetadata, reason);
      }
      Finish(ToGrpc(status));  // may delete this
    };
    engine->Infer(std::move(call));
  }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  std::atomic<bool> cancelled_{false};
};

const char* WireType(inference::DataType type) {
  return type == inference::TYPE_UINT8 ? "UINT8" : "FP32";
}

template <typename ConfigTensor>
void DescribeTensor(const ConfigTensor& tensor, bool batching,
                    inference::ModelMetadataResponse::TensorMetadata* metadata) {
  metadata->set_name(tensor.name());
  metadata->set_datatype(WireType(tensor.data_type()));
  if (batching) metadata->add_shape(-1);
  metadata->mutable_shape()->MergeFrom(tensor.dims());
}

}  // namespace

GrpcService::GrpcService(const ModelRepository& repository, InferenceEngine* engine, Options options)
    : repository_(repository), engine_(engine), options_(std::move(options)) {}

grpc::ServerUnaryReactor* GrpcService::ServerLive(Context* context, In<inference::ServerLiveRequest>,
                                                  inference::ServerLiveResponse* response) {
  if (refusing_) return Finish(context, ShuttingDown());
  response->set_live(true);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::ServerReady(Context* context, In<inference::ServerReadyRequest>,
                                                   inference::ServerReadyResponse* response) {
  if (refusing_) return Finish(context, ShuttingDown());
  response->set_ready(Ready());
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::ServerMetadata(Context* context, In<inference::ServerMetadataRequest>,
                                                      inference::ServerMetadataResponse* response) {
  response->set_name(options_.server_name);
  response->set_version(options_.server_version);
  for (const char* extension : {"classification", "model_configuration", "binary_tensor_data", "parameters"}) {
    response->add_extensions(extension);
  }
  return Finish(context, absl::OkStatus());
}

// A model that is unknown or broken is simply not ready: clients poll this.
grpc::ServerUnaryReactor* GrpcService::ModelReady(Context* context, In<inference::ModelReadyRequest> request,
                                                  inference::ModelReadyResponse* response) {
  const auto model = repository_.Find(request->name(), request->version());
  if (absl::IsInvalidArgument(model.status())) return Finish(context, model.status());
  response->set_ready(model.ok() && !draining_);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::ModelMetadata(Context* context, In<inference::ModelMetadataRequest> request,
                                                     inference::ModelMetadataResponse* response) {
  const auto model = repository_.Find(request->name(), request->version());
  if (!model.ok()) return Finish(context, model.status());
  const inference::ModelConfig& config = (*model)->config();
  response->set_name(config.name());
  response->set_platform(config.platform());
  for (std::string& version : repository_.ReadyVersions(config.name())) response->add_versions(std::move(version));
  const bool batching = config.max_batch_size() > 0;
  for (const auto& input : config.input()) DescribeTensor(input, batching, response->add_inputs());
  for (const auto& output : config.output()) DescribeTensor(output, batching, response->add_outputs());
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::ModelConfig(Context* context, In<inference::ModelConfigRequest> request,
                                                   inference::ModelConfigResponse* response) {
  const auto model = repository_.Find(request->name(), request->version());
  if (!model.ok()) return Finish(context, model.status());
  *response->mutable_config() = (*model)->config();
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::RepositoryIndex(Context* context, In<inference::RepositoryIndexRequest> request,
                                                       inference::RepositoryIndexResponse* response) {
  for (const ModelRepository::Entry& entry : repository_.entries()) {
    if (request->ready() && entry.model == nullptr) continue;
    inference::RepositoryIndexResponse::ModelIndex* model = response->add_models();
    model->set_name(entry.name);
    model->set_version(entry.version);
    model->set_state(entry.model != nullptr ? "READY" : "UNAVAILABLE");
    model->set_reason(std::string(Message(entry.status)));
  }
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GrpcService::ModelInfer(Context* context, In<inference::ModelInferRequest> request,
                                                  inference::ModelInferResponse* response) {
  if (refusing_) return Finish(context, ShuttingDown());
  return new InferReactor(context, request, response, engine_);
}

}  // namespace msq::server
