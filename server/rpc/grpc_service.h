// The RPC handlers of the Open Inference Protocol: they translate and do nothing else.
#pragma once

#include <atomic>
#include <string>

#include <grpcpp/server_context.h>

#include "proto/inference.grpc.pb.h"
#include "server/engine/inference_engine.h"
#include "server/models/model_repository.h"

namespace msq::server {

// Thread-safe. RPCs that are not overridden answer UNIMPLEMENTED.
class GrpcService final : public inference::GRPCInferenceService::CallbackService {
 public:
  struct Options {
    std::string server_name;
    std::string server_version;
    bool strict_readiness = true;  // ready only when every model is
  };
  GrpcService(const ModelRepository& repository, InferenceEngine* engine, Options options);

  // The two steps of a shutdown: from now on the server says that it is not ready; it refuses new inferences.
  void StartDraining() { draining_ = true; }
  void StartRefusing() { refusing_ = true; }

  bool Ready() const { return !draining_ && (!options_.strict_readiness || repository_.AllReady()); }

  template <typename Message>
  using In = const Message*;
  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* ServerLive(Context*, In<inference::ServerLiveRequest>, inference::ServerLiveResponse*) override;
  Reactor* ServerReady(Context*, In<inference::ServerReadyRequest>, inference::ServerReadyResponse*) override;
  Reactor* ServerMetadata(Context*, In<inference::ServerMetadataRequest>, inference::ServerMetadataResponse*) override;
  Reactor* ModelReady(Context*, In<inference::ModelReadyRequest>, inference::ModelReadyResponse*) override;
  Reactor* ModelMetadata(Context*, In<inference::ModelMetadataRequest>, inference::ModelMetadataResponse*) override;
  Reactor* ModelConfig(Context*, In<inference::ModelConfigRequest>, inference::ModelConfigResponse*) override;
  Reactor* RepositoryIndex(Context*, In<inference::RepositoryIndexRequest>,
                           inference::RepositoryIndexResponse*) override;
  Reactor* ModelInfer(Context*, In<inference::ModelInferRequest>, inference::ModelInferResponse*) override;

 private:
  const ModelRepository& repository_;
  InferenceEngine* engine_;
  const Options options_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> refusing_{false};
};

}  // namespace msq::server
