// The gRPC front: one handler an RPC, which translates to a call of ProtocolService and does nothing else.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include <grpcpp/server_context.h>

#include "server/engine/protocol_service.h"
#include "server/rpc/answer_watch.h"
#include "server/rpc/raw_service.h"

namespace msq::server {

class InferStream;

// Thread-safe. What is given to the constructor must outlive it.
class GrpcService final : public RawInferenceService {
 public:
  // No request may take more than `max_request_bytes` of memory, however few its message has.
  GrpcService(ProtocolService* core, AnswerWatch* watch, int64_t max_request_bytes)
      : core_(core), watch_(watch), max_request_bytes_(max_request_bytes) {}

  // Ends the streams: each is answered what it has asked for, then UNAVAILABLE. New ones are refused.
  void CloseStreams();

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

#define MSQ_RPC(Name)                                                                                              \
  Reactor* Name(Context* context, const grpc::ByteBuffer* request, grpc::ByteBuffer* response) override {          \
    return Answer(Call{#Name, context, const_cast<grpc::ByteBuffer*>(request), response}, &ProtocolService::Name); \
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
  MSQ_RPC(RepositoryModelLoad)
  MSQ_RPC(RepositoryModelUnload)
#undef MSQ_RPC

  Reactor* ModelInfer(Context* context, const grpc::ByteBuffer* request, grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ModelStreamInfer(Context* context) override;

 private:
  friend class InferStream;

  // A unary call. The request's bytes are gRPC's until the call is over: who has read them lets them go.
  struct Call {
    const char* name;
    Context* context;
    grpc::ByteBuffer* request;
    grpc::ByteBuffer* response;
  };
  // What is answered at once, and what is answered later.
  template <typename Request, typename Response>
  Reactor* Answer(const Call& call, absl::Status (ProtocolService::*rpc)(const Caller&, const Request&, Response*));
  template <typename Request, typename Response>
  Reactor* Answer(const Call& call,
                  void (ProtocolService::*rpc)(const Caller&, const Request&, Response*, ProtocolService::Done));

  // Fills the message of somebody who may ask.
  template <typename Request>
  absl::Status Read(const Caller& caller, grpc::ByteBuffer* bytes, Request* request, int64_t* memory) const;
  void Forget(const InferStream* stream);

  ProtocolService* const core_;
  AnswerWatch* const watch_;
  const int64_t max_request_bytes_;
  std::mutex mutex_;
  std::map<const InferStream*, std::shared_ptr<InferStream>> streams_;
  bool closing_ = false;
};

}  // namespace msq::server
