// The gRPC front: one handler an RPC, which translates to a call of ProtocolService and does nothing else.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include <grpcpp/server_context.h>

#include "proto/inference.grpc.pb.h"
#include "server/engine/protocol_service.h"
#include "server/rpc/arena_messages.h"

namespace msq::server {

class InferStream;

// Thread-safe. The core must outlive it.
class GrpcService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit GrpcService(ProtocolService* core);

  // Ends the streams: each is answered what it has asked for, then UNAVAILABLE. New ones are refused.
  void CloseStreams();

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

// An RPC that is answered at once, and one that is answered later.
#define MSQ_RPC(Name)                                                                                           \
  Reactor* Name(Context* context, const inference::Name##Request* request, inference::Name##Response* response) \
      override {                                                                                                \
    return Answer(context, #Name, (core_->Name)(CallerOf(*context), *request, response));                       \
  }
#define MSQ_SLOW_RPC(Name)                                                                                      \
  Reactor* Name(Context* context, const inference::Name##Request* request, inference::Name##Response* response) \
      override {                                                                                                \
    Reactor* reactor = context->DefaultReactor();                                                               \
    (core_->Name)(CallerOf(*context), *request, response,                                                       \
                  [context, reactor](const absl::Status& status) { Finish(context, #Name, reactor, status); }); \
    return reactor;                                                                                             \
  }

  MSQ_RPC(ServerLive)
  MSQ_RPC(ServerReady)
  MSQ_RPC(ServerMetadata)
  MSQ_RPC(ModelReady)
  MSQ_RPC(ModelMetadata)
  MSQ_RPC(ModelConfig)
  MSQ_RPC(ModelStatistics)
  MSQ_RPC(RepositoryIndex)
  MSQ_RPC(SystemSharedMemoryStatus)
  MSQ_RPC(SystemSharedMemoryRegister)
  MSQ_RPC(SystemSharedMemoryUnregister)
  MSQ_RPC(CudaSharedMemoryStatus)
  MSQ_RPC(CudaSharedMemoryRegister)
  MSQ_RPC(CudaSharedMemoryUnregister)
  MSQ_RPC(TraceSetting)
  MSQ_RPC(LogSettings)
  MSQ_SLOW_RPC(RepositoryModelLoad)
  MSQ_SLOW_RPC(RepositoryModelUnload)
#undef MSQ_RPC
#undef MSQ_SLOW_RPC

  Reactor* ModelInfer(Context* context, const inference::ModelInferRequest* request,
                      inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>* ModelStreamInfer(
      Context* context) override;

 private:
  friend class InferStream;

  static Caller CallerOf(const Context& context);
  static void Finish(Context* context, const char* name, Reactor* reactor, const absl::Status& status);
  static Reactor* Answer(Context* context, const char* name, const absl::Status& status);
  void Forget(const InferStream* stream);

  ProtocolService* const core_;
  ArenaMessages<inference::ModelInferRequest, inference::ModelInferResponse> infer_messages_;
  std::mutex mutex_;
  std::map<const InferStream*, std::shared_ptr<InferStream>> streams_;
  bool closing_ = false;
};

}  // namespace msq::server
